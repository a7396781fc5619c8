"""The rules every notebook keeps: each takes a notebook and its path, and returns complaints.

A complaint says where, what, and what to do about it. `test_notebook_rules.py` holds, for every
rule, a violation that this rule and no other reports; `test_notebooks.py` applies the rules to the
notebooks of this repository.
"""

from . import cells, final, forbidden, outputs, prose, story, structure
from .reading import RULES, complaints

__all__ = ["RULES", "cells", "complaints", "final", "forbidden", "outputs", "prose"]
__all__ += ["story", "structure"]
