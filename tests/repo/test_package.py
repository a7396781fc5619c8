"""The package's source obeys the rules of `package_rules`, and each rule has been seen to fail."""

import ast
import tomllib

import pytest
from packaging.requirements import Requirement

from .package_rules import (
    EXCEPTIONS,
    INSIDE,
    OUTSIDE,
    PACKAGE,
    ROOT,
    ROW_OF,
    ROWS,
    RULES,
    Module,
    modules,
    within,
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
    ("import_order", "model.masks", with_import("from ..prompt.images import load_image")),
    ("import_order", "prompt.processor", with_import("from ..generation import sampling")),
    ("import_order", "generation.chat", with_import("from ..hub.checkpoint import load")),
    ("import_order", "hub.checkpoint", with_import("from ..study.cost import parameters")),
    ("import_order", "study.cost", with_import("import gemma3_edu.hub.config_json")),
    ("import_order", "hub.weights", with_import("from gemma3_edu import Gemma3")),
    ("import_order", "study.capture", with_import("def _g():\n    from ..naive import attention")),
    ("import_order", "verify.verify", with_import("from ..naive.attention import attend")),
    ("import_order", "naive.masks", with_import("from ..lessons.checks import Check")),
    ("import_order", "train.lora", with_import("from ..lessons.figures.digest import describe")),
    ("import_order", "train.data.text", with_import("from ...lessons.nb import show")),
    ("import_order", "lessons.nb", with_import("from ..__main__ import main")),
    ("import_order", "__init__", with_import("from .naive import attention")),
    (
        "import_order",
        "hub.gguf",
        with_import("if 0:\n    from .. import nowhere\n    from ..no import x"),
    ),
    ("import_order", "brand_new", CLEAN),
    # inside a folder, what is read later
    ("import_order", "model.masks", with_import("from .attention import attend")),
    ("import_order", "model.masks", with_import("from . import cache")),
    ("import_order", "model.masks", with_import("from gemma3_edu.model.vision import VisionTower")),
    ("import_order", "model.masks", with_import("from ..model import Gemma3")),
    ("import_order", "model.brand_new", with_import("from .config import TextConfig")),
    ("import_order", "prompt.images", with_import("from .processor import Processor")),
    ("import_order", "generation.sampling", with_import("from .generate import chunks")),
    ("import_order", "lessons.figures.heads", with_import("from ..nb import STYLE")),
    ("import_order", "lessons.checks.heads", with_import("from ..figures.digest import describe")),
    # rows above that are closed all the same
    (
        "import_order",
        "generation.generate",
        with_import("from ..prompt.processor import Processor"),
    ),
    ("import_order", "generation.generate", with_import("from ..prompt import tokenizer")),
    ("import_order", "naive.rope", with_import("from ..model.rope import apply_rope")),
    ("import_order", "naive.rope", with_import("from ..model import Gemma3")),
    # exceptions hold for whom they are made
    ("import_order", "fast.compiled", with_import("from ..study.capture import capture")),
    ("outside_imports", "train.loop", with_import("import sentencepiece")),
    # other packages
    ("outside_imports", "model.config", with_import("import torch")),
    ("outside_imports", "study.cost", with_import("from torch import nn")),
    ("outside_imports", "model.layout", with_import("import numpy as np")),
    ("outside_imports", "prompt.processor", with_import("from PIL import Image")),
    ("outside_imports", "prompt.processor", with_import("import sentencepiece as spm")),
    ("outside_imports", "model.gemma3", with_import("from safetensors.torch import load_file")),
    ("outside_imports", "hub.checkpoint", with_import("from gguf import GGUFReader")),
    ("outside_imports", "lessons.checks.vision", with_import("import transformers")),
    ("outside_imports", "model.attention", with_import("import matplotlib.pyplot as plt")),
    (
        "outside_imports",
        "generation.chat",
        with_import("def _g():\n    from IPython.display import display"),
    ),
    ("outside_imports", "naive.rope", with_import("import ipywidgets")),
    ("outside_imports", "model.layers", with_import("import scipy")),
    (
        "outside_imports",
        "model.layers",
        with_import("import importlib\nimportlib.import_module('scipy')"),
    ),
    ("outside_imports", "model.layers", with_import("__import__('scipy')")),
    # size and words
    ("line_ceiling", "model.masks", CLEAN + "x = 1\n" * 400),
    ("docstrings", "model.masks", CLEAN.replace('"""A function."""', "pass")),
    ("docstrings", "model.masks", CLEAN.replace('"""A function."""', '"""   """')),
    ("docstrings", "model.masks", CLEAN + "class C:\n    x = 1\n"),
    ("docstrings", "model.masks", CLEAN + 'class C:\n    """A class."""\n    def g(self): ...\n'),
    ("docstrings", "model.masks", CLEAN + "def forward(x): ...\n"),
    ("docstrings", "model.masks", 'def f():\n    """Add.\n\n    >>> 1\n    1\n    """\n'),
    ("an_example", "model.masks", CLEAN.replace(">>> 1 + 1\n2\n", "")),
    ("an_example", "model.masks", CLEAN.replace("1 + 1", "1 + 1  # doctest: +SKIP")),
]

ALLOWED = [
    ("generation.chat", "from ..prompt.processor import Processor\nfrom .generate import generate"),
    (
        "lessons.checks.rope",
        "from ...naive import rope\nfrom . import grading\nimport torch.nn.functional as F",
    ),
    ("lessons.nb", "from .figures.digest import describe\nimport matplotlib.pyplot as plt"),
    ("__main__", "from . import cost, load\nimport argparse"),
    ("prompt.images", "from PIL import Image\nimport numpy as np"),
    ("prompt.tokenizer", "import sentencepiece"),
    ("hub.weights", "from safetensors import safe_open"),
    ("train.scenes", "from PIL import ImageDraw\nfrom ..prompt.images import pan_and_scan"),
    ("train.tokenizer", "import sentencepiece\nfrom ..prompt.tokenizer import Tokenizer"),
    ("study.cost", "import dataclasses\nfrom ..model.config import Gemma3Config"),
    ("fast.quantize", "from ..study.replace import replace_linears"),
    ("naive.sampling", "from ..generation.sampling import Sampler\nfrom ..model import layout"),
    ("model.__init__", "from .gemma3 import Gemma3\nfrom .config import TextConfig"),
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
    assert complaints(Module("model.masks", CLEAN)) == {}
    assert {rule for rule, _, _ in VIOLATIONS} == {rule.__name__ for rule in RULES}


def test_private_names_setters_forward_and_the_terminal_need_no_words():
    source = CLEAN + (
        'class C:\n    """A class."""\n    @property\n    def x(self):\n        """Its x."""\n'
        "    @x.setter\n    def x(self, value): ...\n    def _y(self): ...\n"
        "    def __len__(self): ...\n    def forward(self): ...\ndef _g(): ...\n"
    )
    assert complaints(Module("model.masks", source)) == {}
    assert complaints(Module("__main__", CLEAN.replace(">>> 1 + 1\n2\n", ""))) == {}


def test_the_tables_name_what_there_is_once():
    assert len(ROW_OF) == sum(map(len, ROWS))
    assert set(ROW_OF) == {module.top for module in MODULES}
    for folder, order in INSIDE.items():
        names = [m.name.split(".")[1] for m in MODULES if m.top == folder]
        assert sorted(order) == sorted(set(names) - {"__init__"})


@pytest.mark.parametrize(("importer", "imported"), EXCEPTIONS)
def test_each_exception_is_needed(importer, imported, monkeypatch):
    monkeypatch.delitem(EXCEPTIONS, (importer, imported))
    assert any(complaints(module) for module in MODULES if within(module.name, importer))


def names_of(requirements: list[str]) -> set[str]:
    return {Requirement(text).name for text in requirements}


def test_other_packages_are_the_run_time_dependencies_and_two_extras():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = names_of(project["dependencies"])
    brought_by = {"PIL": "pillow", "cycler": "matplotlib", "IPython": "ipywidgets"}
    optional = {"transformers", "gguf"}
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
