"""Run by `python -O`: which wrong answers do the checks let pass? Prints them as a JSON list.

No line here rests on an assert statement either. A check that does is planted among the others, so
an empty list would mean that this script notices nothing.
"""

import json

import torch

from gemma3_edu.lessons import nb
from gemma3_edu.lessons.checks import Check
from gemma3_edu.lessons.exercises import EXERCISES

NO_ANSWERS = [None, [], "x", True, 10**400, torch.nan, torch.ones(0), torch.ones(2, 3)]


def planted(fn) -> None:
    assert fn() == "what no answer is"


def passes(check, answer) -> bool:
    try:
        check(answer)
    except Exception:
        return False
    return True


def main() -> None:
    checks = {f"{n} {f}": c for n, functions in EXERCISES.items() for f, c in functions.items()}
    found = [] if not __debug__ else ["asserts are on: run this with -O"]
    for name, check in [*checks.items(), ("planted", planted)]:
        wrong = {repr(each): lambda *_, each=each: each for each in NO_ANSWERS}
        if isinstance(check, Check):
            wrong |= {s: mistake for part in check.rounds for s, mistake in part.mistakes}
        found += sorted({name for answer in wrong.values() if passes(check, answer)})
    for got, want in [([1, 2], [5, 9]), (1.5, 2.5), (torch.ones(2), torch.zeros(2)), ([], [])]:
        found += ["verdict"] if passes(lambda w, g=got: nb.verdict("v", g, w), want) else []
    print(json.dumps(found))


if __name__ == "__main__":
    main()
