"""Days, months and dates: what comes after what.

What is held out is a starting point with a distance, such as three days after Monday.

>>> date_after(28, 2, 2024, days=1), date_after(30, 12, 2023, days=3)
('29 February 2024', '2 January 2024')
"""

import datetime

from .draw import Asked, Draw
from .examples import Example, Turn

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)


def date_after(day: int, month: int, year: int, days: int) -> str:
    """The date so many days later, written "2 January 2024"."""
    date = datetime.date(year, month, day) + datetime.timedelta(days)
    return f"{date.day} {MONTHS[date.month - 1]} {date.year}"


def _in_days(days: int) -> str:
    return "tomorrow" if days == 1 else f"in {days} days"


def _weekday(draw: Draw) -> Asked:
    today, days = draw.random.randrange(7), draw.random.randint(1, 14)
    back = draw.chance(0.3)
    then = WEEKDAYS[(today - days if back else today + days) % 7]
    ago = "yesterday" if days == 1 else f"{days} days ago"
    when = f"was it {ago}" if back else f"is it {_in_days(days)}"
    key = f"weekday:{WEEKDAYS[today]} {-days if back else days}"
    return Asked(f"Today is {WEEKDAYS[today]}. What day {when}?", then, key)


def _month(draw: Draw) -> Asked:
    month, later = draw.random.randrange(12), draw.random.randint(1, 11)
    then, key = MONTHS[(month + later) % 12], f"month:{MONTHS[month]} {later}"
    if later == 1 and draw.chance(0.5):
        return Asked(f"Which month comes after {MONTHS[month]}?", then, key)
    months = "1 month" if later == 1 else f"{later} months"
    return Asked(f"It is {MONTHS[month]}. Which month is it in {months}?", then, key)


def _date(draw: Draw) -> Asked:
    year = draw.random.randint(2000, 2030)
    start = datetime.date(year, 1, 1) + datetime.timedelta(draw.random.randrange(365))
    days = draw.random.randint(1, 7)
    then = date_after(start.day, start.month, year, days)
    today = date_after(start.day, start.month, year, 0)
    return Asked(
        f"Today is {today}. What date is it {_in_days(days)}?", then, f"date:{today} {days}"
    )


def dates(draw: Draw) -> Example:
    """The weekday, month or date some time after another."""
    return draw.example("dates", lambda: draw.choice((_weekday, _month, _date))(draw))


def calendar_page(draw: Draw) -> Example:
    """Plain text: days of a week in a row, each with what happens on it."""
    events = ("rain", "school", "a party", "a visit", "market day", "a long walk", "rest", "snow")

    def make() -> tuple[datetime.date, int]:
        first = datetime.date(draw.random.randint(2000, 2030), 1, 1)
        return first + datetime.timedelta(draw.random.randrange(365)), draw.random.randint(3, 7)

    first, number = draw.until_own(make, lambda made: f"calendar:{made[0]}")
    lines = []
    for day in range(number):
        date = first + datetime.timedelta(day)
        written = date_after(date.day, date.month, date.year, 0)
        lines.append(f"{WEEKDAYS[date.weekday()]}, {written}: {draw.choice(events)}")
    text = "\n".join(lines) + "\n"
    return Example("calendar_page", (Turn((), text),), (f"calendar:{first}",))
