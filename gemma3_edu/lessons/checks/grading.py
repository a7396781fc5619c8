"""What every check is made of: cases, a right function, and wrong ones with a sentence each.

>>> def right(values): return sum(values) / len(values)
>>> check_mean = Check(
...     "`fn(values)` is the mean of a list of numbers.",
...     "values",
...     right,
...     lambda: [([1.0, 2.0, 6.0],), ([5.0],)],
...     {"gave the sum; divide by how many numbers there are": sum},
... )
>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 1", check_mean, lambda values: sum(values))
Exercise 1: gave the sum; divide by how many numbers there are
    (values = [1, 2, 6]: got 9, expected 3)
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from .difference import Tolerance, difference, plain, show, show_dtype

Function = Callable[..., Any]
Mistakes = Mapping[str, Function | Sequence[Function]]
NONE: Mistakes = {}
Case = tuple[Any, ...]  # the arguments of one call
Cases = Callable[[], Iterable[Case] | Mapping[str, Case]]


class CheckError(AssertionError):
    """An answer is wrong: `sentence` says how, `case` for which arguments, got and expected."""

    def __init__(self, sentence: str, case: str = ""):
        super().__init__(f"{sentence} ({case})" if case else sentence)
        self.sentence, self.case = sentence, case


def require(holds: object, sentence: str) -> None:
    """CheckError with `sentence` unless `holds`; unlike `assert` it also works under python -O."""
    if not holds:
        raise CheckError(sentence)


def require_tensor(got: Any, shape: tuple[int | None, ...], dtype: torch.dtype) -> Tensor:
    """`got`, if it is a tensor of this shape, None for any length, and dtype; else CheckError."""
    require(isinstance(got, Tensor), f"expected a tensor, got {type(got).__name__}")
    got = plain(got)
    fits = len(got.shape) == len(shape) and all(
        want in (None, size) for size, want in zip(got.shape, shape, strict=True)
    )
    words = str(shape).replace("None", "any")
    require(fits, f"got shape {tuple(got.shape)}, expected {words}")
    require(
        got.dtype == dtype, f"got dtype {show_dtype(got)}, expected {dtype}".replace("torch.", "")
    )
    return got


@contextmanager
def standard_torch() -> Iterator[None]:
    """Torch as it starts: float32, gradients on. What happens inside changes neither afterwards.

    The state of the random numbers is put back too. Also a decorator, for checks that are plain
    functions.
    """
    dtype, grad, random = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_rng_state()
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        torch.set_rng_state(random)


def ask(fn: Function, *arguments: Any) -> Any:
    """What a learner's function answers; it can neither end the program nor change torch."""
    with standard_torch():
        try:
            return fn(*arguments)
        except SystemExit as stop:
            raise CheckError("the answer ended the program (SystemExit); return a value") from stop


_LEAVE = "leave it as it is and return a new one"


class Check:
    """A check of one exercise: called with the learner's function, silent when it is right.

    `names` are the arguments, separated by spaces. `cases` makes a list of their values, or a dict
    of them under a name each, which messages then use. `right` is the right function; `mistakes`
    are wrong ones, each under its sentence, or several that earn the same. Every function gets
    arguments of its own; changing one in place is refused unless `may_change` names it.

    A wrong answer gets the sentence of the mistake that gives the same answers in all cases.
    Without one, `explain(got, want, *arguments)` may give a sentence, for the first wrong case, or
    None; what remains is what was got and expected. `call(fn, *arguments)` calls a function and
    makes of its answer what is compared, if that is not the answer itself.

    Answers are compared by `difference.difference`, with `atol`, `rtol` and `share`.
    """

    def __init__(
        self,
        about: str,
        names: str,
        right: Function,
        cases: Cases,
        mistakes: Mistakes = NONE,
        *,
        call: Function = ask,
        explain: Function | None = None,
        may_change: str = "",
        atol: float = 1e-5,
        rtol: float = 0.0,
        share: float = 0.0,
    ):
        self.__doc__ = about
        self.names, self.right, self.call, self.explain = names.split(), right, call, explain
        self.kept = [name not in may_change.split() for name in self.names]
        self.rounds = [Round(self, cases, mistakes, Tolerance(atol, rtol, share))]

    def then(
        self,
        cases: Cases,
        mistakes: Mistakes = NONE,
        *,
        atol: float = 1e-5,
        rtol: float = 0.0,
        share: float = 0.0,
    ) -> "Check":
        """The same check with one more round, for answers that are right in the rounds before."""
        self.rounds.append(Round(self, cases, mistakes, Tolerance(atol, rtol, share)))
        return self

    def __call__(self, fn: Function) -> None:
        """CheckError if `fn` is wrong; an error of its own, and the stub's, comes through."""
        with standard_torch():
            for part in self.rounds:
                part.judge(fn)


class Round:
    """Some cases of a check, the mistakes they tell apart, and how closely answers must agree."""

    def __init__(self, check: Check, cases: Cases, mistakes: Mistakes, tolerance: Tolerance):
        self.check, self.make, self.tolerance = check, cases, tolerance
        self.mistakes = [
            (sentence, mistake)
            for sentence, wrong in mistakes.items()
            for mistake in (wrong if isinstance(wrong, Sequence) else [wrong])
        ]

    def cases(self) -> list[tuple[str, Case]]:
        """The arguments of every case, after the words for it in a message."""
        made = self.make()
        if isinstance(made, Mapping):
            return list(made.items())
        return [(self._told(case), case) for case in made]

    def _told(self, case: Case) -> str:
        for spelled in (True, False):
            pairs = zip(self.check.names, case, strict=True)
            told = [(name, show(value, spelled=spelled)) for name, value in pairs]
            words = ", ".join(f"{name} = {value}" for name, value in told if value)
            if len(words) <= 160:
                break
        return words

    def answer(self, fn: Function, case: Case) -> Any:
        """What `fn` gives for a copy of the arguments; CheckError if it changed one of them."""
        lent = copy.deepcopy(case)
        got = self.check.call(fn, *lent)
        for name, kept, old, new in zip(self.check.names, self.check.kept, case, lent, strict=True):
            if kept and not _unchanged(old, new):
                raise CheckError(f"changed {name} in place, as += does; {_LEAVE}")
        return got

    def differ(self, got: Any, want: Any) -> str | None:
        """Where two answers differ, or None."""
        return difference(got, want, self.tolerance)

    def judge(self, fn: Function) -> None:
        """CheckError with the likeliest cause if `fn` is wrong in a case."""
        cases, answers, first = self.cases(), [], None
        for words, case in cases:
            try:
                got = self.answer(fn, case)
            except CheckError as error:
                raise CheckError(error.sentence, error.case or words) from error.__cause__
            except Exception as error:
                if first:
                    break  # the cases before tell enough
                error.add_note(words)
                raise
            answers.append(got)
            want = self.answer(self.check.right, case)
            said = self.differ(got, want)
            if said and not first:
                first = (words, said, got, want, case)
        if first:
            self._diagnose([case for _, case in cases], answers, *first)

    def _diagnose(
        self,
        cases: Sequence[Case],
        answers: Sequence[Any],
        words: str,
        said: str,
        got: Any,
        want: Any,
        case: Case,
    ) -> NoReturn:
        named: str | None = None
        for sentence, mistake in self.mistakes:
            if all(map(partial(self._made, mistake), cases, answers)):
                named = sentence
                break
        explain = self.check.explain
        if not named and explain:
            named = explain(got, want, *copy.deepcopy(case))
        if named:
            raise CheckError(named, f"{words}: {said}" if words else said)
        raise CheckError(said, words)

    def _made(self, mistake: Function, case: Case, got: Any) -> bool:
        try:
            return self.differ(got, self.answer(mistake, case)) is None
        except Exception:
            return False  # where the mistake fails, an answer that does not is another one


def _unchanged(old: Any, new: Any) -> bool:
    if isinstance(old, nn.Module):
        return _unchanged(old.state_dict(), new.state_dict())
    if isinstance(old, Tensor):
        same_kind = old.shape == new.shape and old.dtype == new.dtype
        return same_kind and bool(((old == new) | (old.isnan() & new.isnan())).all())
    if isinstance(old, Mapping):
        return old.keys() == new.keys() and all(_unchanged(old[key], new[key]) for key in old)
    if isinstance(old, list | tuple):
        return len(old) == len(new) and all(map(_unchanged, old, new))
    plain = isinstance(old, int | float | str | set)
    return not plain or old == new or old != old
