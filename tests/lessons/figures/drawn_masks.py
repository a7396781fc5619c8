"""Masks read back from a figure."""

from gemma3_edu.lessons.figures.digest import describe


def panels(fig) -> dict[str, list[str]]:
    """The masks drawn in a figure, row by row, by the title of their panel."""
    found: dict[str, list[str]] = {}
    for line in describe(fig).splitlines():
        if line.startswith("axes"):
            rows = found[line.split("'")[1]] = []
        elif set(line.strip()) <= {".", "#"}:
            rows.append(line.strip())
    return found
