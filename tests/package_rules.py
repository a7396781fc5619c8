"""What the package's source must look like: each rule reads one module and returns complaints.

Nothing is imported or run: the rules see a module's dotted name inside `gemma3_edu` and its syntax
tree, so they also hold for code that a test would never reach.
"""

import ast
import doctest
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gemma3_edu"

# A module may import modules of the rows above its own, never of its own row or below.
ROWS: list[set[str]] = [
    {"hf_config", "config", "presets"},
    {"cost", "layout", "rope", "layers", "surgery", "taps", "sampling", "weights", "offload"},
    {"masks", "cache", "vision", "tokenizer", "tokenizer_json", "images"},
    {"attention", "chat_template"},
    {"model", "processor"},
    {"generation", "oracle", "weight_only", "compiled"},
    {"checkpoint", "conversation"},
    {"__init__"},  # the public names of all rows above
    {"naive", "checks", "train"},
    {"viz", "nb", "verify"},
    {"__main__"},
]
# The exceptions: pairs (importer, imported) inside one row.
INSIDE_A_ROW = {
    ("config", "hf_config"),
    ("presets", "config"),
    ("tokenizer_json", "tokenizer"),
    ("conversation", "checkpoint"),
    ("checks", "naive"),  # the slow version is what a check compares with
    ("nb", "viz"),
}
# Closed although the row would allow it.
NEVER = {
    "model": {"tokenizer", "tokenizer_json", "sampling", "weights"},
    "generation": {"tokenizer", "tokenizer_json", "processor"},  # it sees token ids only
}
# Only these see model, weights, tokenizer and processor together.
SEES_ALL = {"checkpoint", "conversation", "__init__", "verify"}
TOGETHER = {"model", "weights", "tokenizer", "processor"}

NO_TORCH = ROWS[0] | {"cost"}
# Distribution packages and the only modules that import them; None: every module may.
OUTSIDE: dict[str, set[str] | None] = {
    "torch": None,
    "numpy": None,
    "jaxtyping": None,
    "sentencepiece": {"tokenizer", "train"},  # train.tokenizer makes what tokenizer reads
    "safetensors": {"weights", "checkpoint"},
    "PIL": {"images", "train"},  # train draws the pictures that nano learns from
    "matplotlib": {"viz", "nb"},
    "cycler": {"viz", "nb"},
    "IPython": {"viz", "nb"},
    "ipywidgets": {"viz", "nb"},
    "transformers": {"oracle"},
}

ROW_OF = {module: row for row, modules in enumerate(ROWS) for module in modules}
MAX_LINES = 250


class Module(NamedTuple):
    """A module of the package: its dotted name in it, such as `checks.compare`, and its source."""

    name: str
    source: str

    @property
    def top(self) -> str:
        """The entry in the table of rows: the first part of the name."""
        return self.name.split(".")[0]

    @property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.source)


def modules() -> Iterator[Module]:
    """Every module of the package as it stands."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield Module(".".join(parts), path.read_text(encoding="utf-8"))


def imports(module: Module) -> Iterator[tuple[str, bool]]:
    """What a module imports, anywhere in it: (top-level name, whether it is one of the package)."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for name in [alias.name.split(".") for alias in node.names]:
                if name[0] == PACKAGE.name:
                    yield (name[1] if name[1:] else "__init__"), True
                else:
                    yield name[0], False
        elif isinstance(node, ast.ImportFrom):
            path = (node.module or "").split(".") if node.module else []
            if node.level:  # one dot: the folder the module lies in
                path = [PACKAGE.name, *module.name.split(".")[: -node.level], *path]
            if path[0] != PACKAGE.name:
                yield path[0], False
            elif path[1:]:
                yield path[1], True
            else:
                for alias in node.names:
                    yield (alias.name if alias.name in ROW_OF else "__init__"), True


def import_order(module: Module) -> list[str]:
    """Imports inside the package point upwards in the table."""
    if module.top not in ROW_OF:
        return [f"{module.name} has no row in the import table"]
    found = []
    inside = {name for name, ours in imports(module) if ours} - {module.top}
    for name in sorted(inside):
        if name not in ROW_OF:
            found.append(f"{module.name} imports {name}, which has no row in the import table")
        elif name in NEVER.get(module.top, set()):
            found.append(f"{module.name} must never import {name}")
        elif ROW_OF[name] >= ROW_OF[module.top] and (module.top, name) not in INSIDE_A_ROW:
            found.append(f"{module.name} imports {name}, which is not in a row above it")
    if inside >= TOGETHER and module.top not in SEES_ALL:
        found.append(f"{module.name} sees model, weights, tokenizer and processor together")
    return found


def outside_imports(module: Module) -> list[str]:
    """Other packages are imported only where the design says, by statements that can be seen."""
    found = []
    for name in sorted({name for name, ours in imports(module) if not ours}):
        if name in sys.stdlib_module_names:
            continue
        if name not in OUTSIDE:
            found.append(f"{module.name} imports {name}, which is no run-time dependency")
        elif (only := OUTSIDE[name]) is not None and module.top not in only:
            found.append(f"{module.name} imports {name}; only {', '.join(sorted(only))} may")
        elif name == "torch" and module.top in NO_TORCH:
            found.append(f"{module.name} imports torch; costs are studied without it")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            if name in {"__import__", "import_module"}:
                found.append(f"{module.name} line {node.lineno}: {name} hides what is imported")
    return found


def line_ceiling(module: Module) -> list[str]:
    """A file that grows past the ceiling is split by idea."""
    lines = len(module.source.splitlines())
    return [f"{module.name} has {lines} lines, over {MAX_LINES}"] if lines > MAX_LINES else []


def _public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """The public functions, classes and methods of a module, by name."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        decorators = {ast.unparse(d) for d in node.decorator_list}
        if node.name.startswith("_") or decorators & {"overload", f"{node.name}.setter"}:
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body, prefix + node.name + ".")


def docstrings(module: Module) -> list[str]:
    """Every public name says what its signature cannot."""
    named = [("the module", module.tree), *_public(module.tree.body)]
    return [f"{module.name}: {n} has no docstring" for n, node in named if not _text(node)]


def an_example(module: Module) -> list[str]:
    """A module that defines public names shows one at work, in an example that runs."""
    if module.name == "__main__" or not any(_public(module.tree.body)):
        return []
    for node in ast.walk(module.tree):
        examples = doctest.DocTestParser().get_examples(_text(node))
        if any(not example.options.get(doctest.SKIP) for example in examples):
            return []
    return [f"{module.name} has no example (>>>) in any docstring"]


def _text(node: ast.AST) -> str:
    holders = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return (ast.get_docstring(node) or "").strip() if isinstance(node, holders) else ""


RULES = [import_order, outside_imports, line_ceiling, docstrings, an_example]
