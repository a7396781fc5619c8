"""The rule against code that works on one machine only, or not the next time."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode
from notebook_outputs import code_cells

from .reading import place, rule, tree

MODULES = {
    "requests": "nothing is downloaded here; put the data beside the notebook",
    "urllib": "nothing is downloaded here; put the data beside the notebook",
    "huggingface_hub": "no downloads and no logins; use toy weights or nano",
    "getpass": "no logins; use toy weights or nano",
    "subprocess": "no shell; write Python",
    "pip": "the README says how to install, once",
    "google.colab": "no platform features",
    "tqdm": "progress bars are different on every run; print nothing",
    "psutil": "process memory is different on every run; compute bytes from shapes",
    "resource": "process memory is different on every run; compute bytes from shapes",
    "tracemalloc": "process memory is different on every run; compute bytes from shapes",
    "matplotlib.animation": "animations are not compared; draw small multiples",
}
NAMES = {
    "os.chdir": "a notebook runs in its own folder; use relative paths",
    "os.system": "no shell; write Python",
    "sys.path": "import the installed package",
    "warnings.filterwarnings": "remove the cause of the warning",
    "warnings.simplefilter": "remove the cause of the warning",
    "inspect.getsource": "it fails for classes defined in a notebook; show the code",
    "torch.cuda": "notebooks run on the CPU in float32",
    "torch.mps": "notebooks run on the CPU in float32",
    "torch.backends": "notebooks run on the CPU in float32",
}
CALLS = {
    "input": "a notebook runs without a person; use a widget below a static picture",
    "cuda": "notebooks run on the CPU in float32",
    "to_jshtml": "animations are not compared; draw small multiples",
    "to_html5_video": "animations are not compared; draw small multiples",
}
STRINGS = {
    r"https?://": "no URLs in code: nothing is downloaded here",
    r"^(?:/[\w.-]+){2,}|^~/|^[A-Za-z]:[\\/]": "a path of one machine; use a relative one",
    r"^(?:cuda|mps)(?::\d+)?$": "notebooks run on the CPU in float32",
}


@rule
def nothing_forbidden(nb: NotebookNode, path: Path) -> list[str]:
    """No installs, shell, downloads, absolute paths, timers, warnings filters, or accelerators."""
    out = []
    for cell in code_cells(nb):
        for line in cell.source.splitlines():
            magic = re.match(r"\s*(%%?[A-Za-z]\w*|!).*", line)
            if magic and line.strip() != "%matplotlib inline":
                out.append(f"{place(nb, cell)}: {line.strip()!r}: no shell and no magics; Python")
        out += [f"{place(nb, cell)}: {what}: {why}" for what, why in _found(tree(cell))]
    return out


def _found(module: ast.Module) -> Iterator[tuple[str, str]]:
    inside = {
        id(part)
        for node in ast.walk(module)
        if isinstance(node, ast.JoinedStr)
        for part in node.values[1:]  # only the beginning of an f-string can begin a path
    }
    for node in ast.walk(module):
        for name in _imported(node):
            for banned, why in MODULES.items():
                if name == banned or name.startswith(f"{banned}."):
                    yield f"import {name}", why
        for name, why in NAMES.items():
            used = isinstance(node, ast.Attribute) and ast.unparse(node) == name
            if used or name in _imported(node):
                yield name, why
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in CALLS:
                yield f"{called}()", CALLS[called]
        if isinstance(node, ast.keyword) and node.arg == "display_id":
            yield "display_id", "updated outputs are not compared; draw small multiples"
        text = getattr(node, "value", None)
        if isinstance(node, ast.Constant) and isinstance(text, str) and id(node) not in inside:
            for pattern, why in STRINGS.items():
                if re.search(pattern, text):
                    yield repr(text[:60]), why


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []
