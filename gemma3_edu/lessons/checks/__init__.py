"""Checks that grade an exercise: silent when right, AssertionError with a diagnosis when wrong.

A check takes the learner's function and lets the stub's `NotImplementedError` through, so a
notebook, a test and a grading script can all call the same line.

>>> import torch
>>> compare(torch.tensor([1.0]), torch.tensor([2.0]))
Traceback (most recent call last):
AssertionError: 1 of 1 values differ by more than 1e-05, first at (0,): got 1, expected 2
"""

from .compare import compare

__all__ = ["compare"]
