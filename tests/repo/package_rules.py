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

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "gemma3_edu"

# A module may import folders of the rows above its own, never of its own row or below.
ROWS: list[set[str]] = [
    {"model"},
    {"prompt"},
    {"generation"},
    {"hub", "study", "fast"},
    {"__init__"},  # the public names of all rows above
    {"verify", "naive"},
    {"train"},
    {"lessons"},
    {"__main__"},
]
# Inside these folders the order of reading is the order of imports.
INSIDE = {
    "model": "config presets layers rope layout masks cache attention vision gemma3".split(),
    "prompt": "tokenizer images chat_template processor".split(),
    "generation": "sampling generate chat".split(),
    "lessons": ("mistakes checks exercises figures nb friend recorded strips grade answer").split(),
}
# Closed although the row would allow it: all that these modules or folders import of the rest.
ONLY = {
    "generation.generate": {"model", "generation.sampling"},  # it sees ids, never text
    "naive": {"model.config", "model.layout", "generation.sampling"},  # an independent oracle
}
NO_TORCH = {"model.config", "model.presets", "study.cost"}
# Distribution packages and the only modules or folders that import them; None: all may.
OUTSIDE: dict[str, set[str] | None] = {
    "torch": None,
    "jaxtyping": None,
    "numpy": {"prompt.images", "hub.gguf", "train", "lessons"},
    "sentencepiece": {"prompt.tokenizer"},
    "safetensors": {"hub"},
    "gguf": {"hub.gguf"},
    "filelock": {"hub.folder"},
    "PIL": {"prompt.images"},
    "matplotlib": {"lessons"},
    "cycler": {"lessons"},
    "IPython": {"lessons"},
    "ipywidgets": {"lessons"},
    "transformers": {"verify.oracle"},
}
# The exceptions to all of the above: (importer, imported), each with its reason.
EXCEPTIONS = {
    ("fast.compiled", "study.replace"): "its linears for one row wrap a model from outside",
    ("fast.quantize", "study.replace"): "its linears of few bits wrap a model from outside",
    ("hub.gguf.kept", "fast.blockwise"): "load(keep_bits=True) puts its matrices into the model",
    ("train.tokenizer", "sentencepiece"): "it trains the tokenizer that prompt.tokenizer reads",
    ("train", "PIL"): "it draws the pictures that nano learns from",
    ("lessons.strips", "PIL"): "it draws the strips on which lesson 13 asks nano for numbers",
}

ROW_OF = {folder: row for row, folders in enumerate(ROWS) for folder in folders}
MAX_LINES = 400


def within(module: str, place: str) -> bool:
    """Whether a module is `place`, or lies in it."""
    return module == place or module.startswith(place + ".")


def excepted(importer: str, imported: str) -> bool:
    """Whether the table of exceptions allows this import."""
    return any(within(importer, a) and within(imported, b) for a, b in EXCEPTIONS)


class Module(NamedTuple):
    """A module of the package: its dotted name in it, such as `model.cache`, and its source."""

    name: str
    source: str

    @property
    def top(self) -> str:
        """Its folder, the entry in the table of rows: the first part of the name."""
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
    """What a module imports, anywhere in it: (name, whether it is one of the package).

    Of the package, the dotted name of a module or folder; of others, the first part alone.
    """
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for name in [alias.name.split(".") for alias in node.names]:
                if name[0] == PACKAGE.name:
                    yield ".".join(name[1:]) or "__init__", True
                else:
                    yield name[0], False
        elif isinstance(node, ast.ImportFrom):
            path = (node.module or "").split(".") if node.module else []
            if node.level:  # one dot: the folder the module lies in
                path = [PACKAGE.name, *module.name.split(".")[: -node.level], *path]
            if path[0] != PACKAGE.name:
                yield path[0], False
                continue
            for alias in node.names:
                inner = [*path[1:], alias.name]
                place = PACKAGE.joinpath(*inner)
                known = place.is_dir() or place.with_suffix(".py").is_file()
                yield ".".join(inner if known else path[1:]) or "__init__", True


def import_order(module: Module) -> list[str]:
    """Imports inside the package point to folders that come before."""
    if module.top not in ROW_OF:
        return [f"{module.name} has no row in the import table"]
    found = []
    for name in sorted({name for name, ours in imports(module) if ours}):
        top = name.split(".")[0]
        allowed = [only for place, only in ONLY.items() if within(module.name, place)]
        if excepted(module.name, name):
            continue
        if top == module.top:
            found += _inside(module, name)
        elif top not in ROW_OF:
            found.append(f"{module.name} imports {name}, which has no row in the import table")
        elif ROW_OF[top] >= ROW_OF[module.top]:
            found.append(f"{module.name} imports {name}, which is not in a row above it")
        elif not all(any(within(name, place) for place in only) for only in allowed):
            found.append(f"{module.name} imports {name}; it may import {sorted(allowed[0])} alone")
    return found


def _inside(module: Module, name: str) -> list[str]:
    """Inside a folder with an order of reading, imports point to what is read before."""
    order = INSIDE.get(module.top)
    if order is None or module.name == f"{module.top}.__init__":
        return []
    here, there = (dotted.split(".")[1] if "." in dotted else "" for dotted in (module.name, name))
    if here not in order:
        return [f"{module.name} has no place in the order of {module.top}"]
    if here == there and len(module.name.split(".")) > 2:
        return []
    if there in order[: order.index(here)]:
        return []
    return [f"{module.name} imports {name}, which is not read before it"]


def outside_imports(module: Module) -> list[str]:
    """Other packages are imported only where the design says, by statements that can be seen."""
    found = []
    for name in sorted({name for name, ours in imports(module) if not ours}):
        if name in sys.stdlib_module_names or excepted(module.name, name):
            continue
        if name not in OUTSIDE:
            found.append(f"{module.name} imports {name}, which is no run-time dependency")
        elif (only := OUTSIDE[name]) is not None and not any(
            within(module.name, place) for place in only
        ):
            found.append(f"{module.name} imports {name}; only {', '.join(sorted(only))} may")
        elif name == "torch" and module.name in NO_TORCH:
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
    """Every public name says what its signature cannot; for a `forward`, its class may say it."""
    named = [("the module", module.tree), *_public(module.tree.body)]
    silent = [name for name, node in named if not _text(node) and not name.endswith(".forward")]
    return [f"{module.name}: {name} has no docstring" for name in silent]


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
