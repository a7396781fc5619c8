"""Checks that grade an exercise: silent when it is right, `CheckError` with a sentence when not.

A check takes the learner's function and lets the stub's `NotImplementedError` through, so a
notebook, a test and a grading script can all call the same line. It runs in the learner's own
process: it finds mistakes, and cannot stop cheating.

>>> from gemma3_edu.lessons.checks.layers import check_rmsnorm
>>> from gemma3_edu.naive.layers import rms_norm
>>> check_rmsnorm(rms_norm)
"""

from .grading import Check, CheckError

__all__ = ["Check", "CheckError"]
