"""The package's source obeys the rules of `package_rules`, and each rule has been seen to fail."""

import ast
import tomllib

import pytest
from packaging.requirements import Requirement

from .package_rules import (
    INSIDE_A_ROW,
    OUTSIDE,
    PACKAGE,
    ROOT,
    ROW_OF,
    ROWS,
    RULES,
    Module,
    modules,
)

MODULES = list(modules())

# The smallest module that breaks nothing.
CLEAN = '''"""A module.

>>> 1 + 1
2
"""

def f():
    """A function."""
'''


def with_import(line: str) -> str:
    return CLEAN.replace("def f", f"{line}\n\ndef f", 1)


# (rule, module's name, source): the rule complains, and no other does.
VIOLATIONS = [
    # a row below, its own row, or no row
    ("import_order", "masks", with_import("from .attention import attend")),
    ("import_order", "masks", with_import("from . import cache")),
    ("import_order", "masks", with_import("import gemma3_edu.model")),
    ("import_order", "masks", with_import("from gemma3_edu.vision import VisionTower")),
    ("import_order", "masks", with_import("from gemma3_edu import load")),
    ("import_order", "masks", with_import("def _g():\n    from .naive import attention")),
    ("import_order", "masks", with_import("if 0:\n    from . import nowhere")),
    ("import_order", "hf_config", with_import("from .config import TextConfig")),
    ("import_order", "processor", with_import("from .model import Gemma3")),
    ("import_order", "checkpoint", with_import("from .conversation import chat")),
    ("import_order", "naive.masks", with_import("from ..checks import compare")),
    ("import_order", "train.lora", with_import("from ..viz.digest import describe")),
    ("import_order", "train.data.text", with_import("from ...nb import show")),
    ("import_order", "viz.heads", with_import("from ..nb import STYLE")),
    ("import_order", "nb", with_import("from .__main__ import main")),
    ("import_order", "brand_new", CLEAN),
    # rows above that are closed all the same
    ("import_order", "model", with_import("from .tokenizer import Tokenizer")),
    ("import_order", "model", with_import("from .sampling import Sampler")),
    ("import_order", "model", with_import("from .weights import load_weights")),
    ("import_order", "generation", with_import("from .processor import Processor")),
    ("import_order", "generation", with_import("from .tokenizer import Tokenizer")),
    (
        "import_order",
        "train.nano",
        with_import("from .. import model, processor, tokenizer, weights"),
    ),
    # other packages
    ("outside_imports", "config", with_import("import torch")),
    ("outside_imports", "cost", with_import("from torch import nn")),
    ("outside_imports", "processor", with_import("from PIL import Image")),
    ("outside_imports", "processor", with_import("import sentencepiece as spm")),
    ("outside_imports", "model", with_import("from safetensors.torch import load_file")),
    ("outside_imports", "checks.vision", with_import("import transformers")),
    ("outside_imports", "attention", with_import("import matplotlib.pyplot as plt")),
    (
        "outside_imports",
        "conversation",
        with_import("def _g():\n    from IPython.display import display"),
    ),
    ("outside_imports", "naive.rope", with_import("import ipywidgets")),
    ("outside_imports", "layers", with_import("import scipy")),
    (
        "outside_imports",
        "layers",
        with_import("import importlib\nimportlib.import_module('scipy')"),
    ),
    ("outside_imports", "layers", with_import("__import__('scipy')")),
    # size and words
    ("line_ceiling", "masks", CLEAN + "x = 1\n" * 250),
    ("docstrings", "masks", CLEAN.replace('"""A function."""', "pass")),
    ("docstrings", "masks", CLEAN.replace('"""A function."""', '"""   """')),
    ("docstrings", "masks", CLEAN + "class C:\n    x = 1\n"),
    ("docstrings", "masks", CLEAN + 'class C:\n    """A class."""\n    def g(self): ...\n'),
    ("docstrings", "masks", 'def f():\n    """Add.\n\n    >>> 1\n    1\n    """\n'),
    ("an_example", "masks", CLEAN.replace(">>> 1 + 1\n2\n", "")),
    ("an_example", "masks", CLEAN.replace("1 + 1", "1 + 1  # doctest: +SKIP")),
]

ALLOWED = [
    ("conversation", "from .checkpoint import load"),
    (
        "checks.rope",
        "from ..naive import rope\nfrom . import compare\nimport torch.nn.functional as F",
    ),
    ("nb", "from .viz.digest import describe\nimport matplotlib.pyplot as plt"),
    ("__main__", "from . import cost, load\nimport argparse"),
    ("images", "from PIL import Image"),
    ("tokenizer", "import sentencepiece"),
    ("weights", "from safetensors import safe_open"),
    ("train.scenes", "from PIL import ImageDraw\nfrom ..images import pan_and_scan"),
    ("train.tokenizer", "import sentencepiece\nfrom ..tokenizer import Tokenizer"),
    ("cost", "import dataclasses\nfrom .config import Gemma3Config"),
]


def complaints(module: Module) -> dict[str, list[str]]:
    return {rule.__name__: found for rule in RULES if (found := rule(module))}


@pytest.mark.parametrize("module", MODULES, ids=[m.name for m in MODULES])
def test_a_module_breaks_no_rule(module):
    assert complaints(module) == {}


@pytest.mark.parametrize(("rule", "name", "source"), VIOLATIONS)
def test_a_violation_is_caught_by_its_rule_alone(rule, name, source):
    assert list(complaints(Module(name, source))) == [rule]


@pytest.mark.parametrize(("name", "lines"), ALLOWED)
def test_what_the_table_allows_passes(name, lines):
    assert complaints(Module(name, with_import(lines))) == {}


def test_every_rule_has_been_seen_to_fail():
    assert complaints(Module("masks", CLEAN)) == {}
    assert {rule for rule, _, _ in VIOLATIONS} == {rule.__name__ for rule in RULES}


def test_private_names_setters_and_the_terminal_need_no_words():
    source = CLEAN + (
        'class C:\n    """A class."""\n    @property\n    def x(self):\n        """Its x."""\n'
        "    @x.setter\n    def x(self, value): ...\n    def _y(self): ...\n"
        "    def __len__(self): ...\ndef _g(): ...\n"
    )
    assert complaints(Module("masks", source)) == {}
    assert complaints(Module("__main__", CLEAN.replace(">>> 1 + 1\n2\n", ""))) == {}


def test_the_table_names_each_module_once():
    assert len(ROW_OF) == sum(map(len, ROWS))
    assert all(ROW_OF[a] == ROW_OF[b] for a, b in INSIDE_A_ROW)


def names_of(requirements: list[str]) -> set[str]:
    return {Requirement(text).name for text in requirements}


def test_other_packages_are_the_run_time_dependencies_and_the_oracle():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = names_of(project["dependencies"])
    brought_by = {"PIL": "pillow", "cycler": "matplotlib", "IPython": "ipywidgets"}
    optional = {"transformers"}
    assert optional == names_of(project["optional-dependencies"]["test"]) & set(OUTSIDE)
    assert {brought_by.get(name, name) for name in OUTSIDE} == needed - {"jupyterlab"} | optional


def test_the_root_holds_the_public_names_and_nothing_else():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    kinds = {type(node) for node in tree.body[1:]}  # past the docstring
    assert kinds <= {ast.Import, ast.ImportFrom, ast.Assign}
    named = [t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets]
    assert set(named) <= {"__all__", "__version__"}


def test_the_package_is_typed_and_has_its_photographs():
    assert (PACKAGE / "py.typed").is_file()
    assert sorted((PACKAGE / "assets" / "photos").glob("*.jpg"))
