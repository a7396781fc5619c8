"""What a check makes of an answer, in one word and one sentence.

>>> from gemma3_edu.lessons.checks.layers import check_rmsnorm
>>> judge(check_rmsnorm, lambda x, w, eps: x).word
'wrong'
"""

import re
import sys
import sysconfig
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .grading import CheckError

CORRECT, WRONG, NOT_ATTEMPTED, ERROR = "correct", "wrong", "not attempted", "error"


@dataclass(frozen=True)
class Verdict:
    """`word` is one of the four above, `sentence` what is wrong, `case` for which arguments.

    `shown` is what a right answer led to, where its check tells that.
    """

    word: str
    sentence: str = ""
    case: str = ""
    error: BaseException | None = None
    shown: str = ""


def judge(check: Callable[[Any], object], answer: Any) -> Verdict:
    """Run a check on a learner's answer.

    The sentence is the check's, or the learner's own error with the line that raised it. Only our
    stub counts as not attempted: torch raises NotImplementedError too, for a missing `forward` say,
    and the learner has to see that.
    """
    try:
        shown = check(answer)
    except Exception as error:
        return verdict_of(error)
    return Verdict(CORRECT, shown=shown if isinstance(shown, str) else "")


def verdict_of(error: BaseException) -> Verdict:
    """The verdict on an answer that ended in this error."""
    if isinstance(error, NotImplementedError) and error.args == ("your turn",):
        return Verdict(NOT_ATTEMPTED, error=error)
    if isinstance(error, CheckError):
        return Verdict(WRONG, _one_line(error.sentence), _one_line(error.case), error)
    message = _one_line(str(error))
    if len(message) > 300:
        message = f"{message[:296]} ..."
    raised = f"{type(error).__name__}: {message}" if message else type(error).__name__
    case = "; ".join(note for note in getattr(error, "__notes__", []) if note)
    return Verdict(ERROR, raised + _learners_line(error), case, error)


def _one_line(text: str) -> str:
    """Spaces stay as they are, as they may be those of an answer."""
    return re.sub(r"\s*[^\S ]\s*", " ", text).strip()


def _learners_line(error: BaseException) -> str:
    """Where the error left code that is neither ours nor a library's, if it ever was there."""
    paths = sysconfig.get_paths()
    installed = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    package = Path(str(sys.modules[__name__.partition(".")[0]].__file__)).parent
    ours = (str(package), *installed, "<frozen", "<@beartype")
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(ours)]
    if not theirs:
        return ""
    frame = theirs[-1]
    in_a_cell = "ipykernel_" in frame.filename or frame.filename.startswith("<")
    file = "the cell" if in_a_cell else Path(frame.filename).name
    return f", in line {frame.lineno} of {file}: {frame.line}"
