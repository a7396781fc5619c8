"""Measurements that take what not every reader has: their results are kept beside the notebook.

A reader who has it measures again; all others see what was measured before. Both print the same,
since a new result that agrees with the recorded one gives way to it.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     file = Path(folder) / "recorded.json"
...     _ = file.write_text('{"loss by layer": [2.5, 3.25]}')
...     absent, present = Recorded(file, measure=False), Recorded(file, measure=True)
...     absent("loss by layer", lambda: 1 / 0)
...     present("loss by layer", lambda: [2.5001, 3.2502])
...     present("loss by layer", lambda: [2.5, 3.5])
[2.5, 3.25]
[2.5, 3.25]
loss by layer: differs from what is recorded
[2.5, 3.5]
"""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

RENEW = "GEMMA3_EDU_RECORD"
"""The variable of the environment under which results are written, not compared."""
TOLERANCE = 2e-3
"""How far a number may be from the recorded one, as a fraction of the largest in its list."""
DIGITS = 4


class Recorded:
    """Results by name, from a JSON file; with `measure` they are computed again.

    ValueError if a result is asked for that the file does not have, or if there is no such file.
    """

    def __init__(self, file: str | Path, measure: bool):
        self.file, self.measure = Path(file), measure
        self.renew = measure and bool(os.environ.get(RENEW))
        text = self.file.read_text(encoding="utf-8") if self.file.exists() else "{}"
        self.results: dict[str, Any] = json.loads(text)

    def __call__(self, name: str, measurement: Callable[[], Any]) -> Any:
        """The result of `measurement()`: numbers and texts, in lists and dicts of texts.

        The recorded one, which stands for a new one to `TOLERANCE`. A new one that differs is
        returned itself, and a line says so.
        """
        if not self.measure:
            return self._known(name)
        new = _plain(measurement())
        if self.renew:
            self.results[name] = new
            text = json.dumps(self.results, indent=1, sort_keys=True, ensure_ascii=False)
            self.file.write_text(text + "\n", encoding="utf-8")
        if agree(new, known := self._known(name)):
            return known
        print(f"{name}: differs from what is recorded")
        return new

    def _known(self, name: str) -> Any:
        if name in self.results:
            return self.results[name]
        if not self.file.exists():
            raise ValueError(
                f"{self.file.name} is not beside this notebook: copy it there, since it holds "
                "what was measured before"
            )
        raise ValueError(
            f"name={name!r} is not recorded in {self.file.name}; it has {sorted(self.results)}. "
            f"Measure it with {RENEW}=1"
        )


def _plain(result: Any) -> Any:
    """What JSON can say of it; numbers to four digits, and lists of numbers to four of the largest.

    >>> _plain([torch_like := 1234.56, 0.0123456])
    [1235.0, 0.0]
    """
    if isinstance(result, dict):
        return {str(key): _plain(each) for key, each in result.items()}
    if hasattr(result, "tolist"):
        return _plain(result.tolist())
    if not isinstance(result, list | tuple):
        return _plain([result])[0] if isinstance(result, float) else result
    numbers = [abs(x) for x in result if isinstance(x, float) and math.isfinite(x)]
    digits = DIGITS - 1 - math.floor(math.log10(max(numbers))) if any(numbers) else 0
    return [round(x, digits) if isinstance(x, float) else _plain(x) for x in result]


def agree(new: Any, known: Any) -> bool:
    """Whether two results are the same: texts and whole numbers exactly, others to `TOLERANCE`.

    >>> agree({"a": [100.0, 1.0]}, {"a": [100.1, 1.1]}), agree([1.0, 2], [1.0, 3]), agree("a", "b")
    (True, False, False)
    """
    if isinstance(new, dict) and isinstance(known, dict):
        return new.keys() == known.keys() and all(agree(new[key], known[key]) for key in new)
    if not (isinstance(new, list) and isinstance(known, list)):
        return type(new) is type(known) and (
            agree([new], [known]) if isinstance(new, float) else new == known
        )
    numbers = [abs(x) for x in known if isinstance(x, float) and math.isfinite(x)]
    allowed = TOLERANCE * max(numbers, default=0.0)
    return len(new) == len(known) and all(
        (abs(a - b) <= allowed or a == b or (math.isnan(a) and math.isnan(b)))
        if isinstance(a, float) and isinstance(b, float)
        else agree(a, b)
        for a, b in zip(new, known, strict=True)
    )
