"""Rules about `final=` cells: the definition a learner derives is the one that ships."""

import ast
import builtins
import importlib.util
import re
import symtable
import sys
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode
from notebook_outputs import code_cells

from .reading import final_tags, is_naive, place, python, rule, tree

ALLOWED_ROOTS = {"torch", "jaxtyping", "gemma3_edu", *sys.stdlib_module_names}


def bare(node: ast.AST) -> str:
    """The syntax tree without docstrings; comments and layout are gone already."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(inner):
            inner.body = inner.body[1:] or [ast.Pass()]
    return ast.dump(node)


def definition(source: str, name: str) -> ast.stmt:
    """The top-level class, function or constant called `name`; KeyError if there is none."""
    for node in ast.parse(python(source)).body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        named = [target.id for target in targets if isinstance(target, ast.Name)]
        if name in [getattr(node, "name", None), *named]:
            return node
    raise KeyError(name)


def shipped_source(module: str) -> str:
    """The text of a module; ImportError if there is none."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ImportError(module)
    return Path(spec.origin).read_text(encoding="utf-8")


def _tagged(nb: NotebookNode) -> Iterator[tuple[NotebookNode, str, str, ast.stmt, ast.stmt]]:
    """(cell, module, name, definition here, definition shipped) of each tag that fits."""
    for cell in code_cells(nb):
        for module, name in final_tags(cell):
            try:
                yield cell, module, name, definition(cell.source, name), _shipped(module, name)
            except (KeyError, ImportError, ValueError):
                continue


def _shipped(module: str, name: str) -> ast.stmt:
    return definition(shipped_source(module), name)


@rule
def final_cells_equal_package(nb: NotebookNode, path: Path) -> list[str]:
    """Same syntax tree as in the package, docstrings and comments apart; no tag names nothing."""
    out = []
    good = list(_tagged(nb))
    told = {(module, name) for _, module, name, _, _ in good}
    for cell in code_cells(nb):
        for module, name in set(final_tags(cell)) - told:
            out.append(
                f"{place(nb, cell)}: final={module}:{name} names nothing: not in this cell, or not"
                " in the package"
            )
    for cell, module, name, here, there in good:
        if bare(here) != bare(there):
            out.append(f"{place(nb, cell)}: {name} differs from {module}; make the two equal")
    return out


@rule
def final_cells_use_known_names(nb: NotebookNode, path: Path) -> list[str]:
    """Equal text means equal behaviour only if the free names mean the same in both places."""
    out = []
    finals = {name for cell in code_cells(nb) for _, name in final_tags(cell)}
    imported, assigned = _bindings(nb)
    for cell, module, name, here, _ in _tagged(nb):
        owned = {alias.split(".")[0] for alias in _imports(ast.parse(shipped_source(module)))}
        for free in sorted(_free_names(here) - {name} - finals - set(dir(builtins))):
            root = imported.get(free, "").split(".")[0]
            if free in assigned or root not in ALLOWED_ROOTS | owned:
                why = "is assigned in another cell" if free in assigned else "is not imported"
                out.append(
                    f"{place(nb, cell)}: {name} uses {free}, which {why}; import it from torch,"
                    " the standard library or gemma3_edu, or tag its own cell final="
                )
    return out


def _free_names(node: ast.stmt) -> set[str]:
    """Names that a definition takes from its surroundings."""

    def walk(table: symtable.SymbolTable) -> Iterator[str]:
        for symbol in table.get_symbols():
            at_top = table.get_type() == "module"
            if symbol.is_referenced() and (symbol.is_global() or at_top):
                yield symbol.get_name()
        for child in table.get_children():
            yield from walk(child)

    return set(walk(symtable.symtable(ast.unparse(node), "final cell", "exec")))


def _imports(module: ast.Module) -> dict[str, str]:
    """What each imported name stands for: module, or module.name."""
    found: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {(a.asname or a.name.split(".")[0]): a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            root = "gemma3_edu." if node.level else ""
            found |= {(a.asname or a.name): f"{root}{node.module}.{a.name}" for a in node.names}
    return found


def _bindings(nb: NotebookNode) -> tuple[dict[str, str], set[str]]:
    """(imported names, names bound otherwise at the top level of a cell that is not final)."""
    imported: dict[str, str] = {}
    assigned: set[str] = set()
    for cell in code_cells(nb):
        module = tree(cell)
        imported |= _imports(module)
        final = {name for _, name in final_tags(cell)}
        names = symtable.symtable(ast.unparse(module), "cell", "exec").get_symbols()
        bound = {s.get_name() for s in names if s.is_assigned() and not s.is_imported()}
        assigned |= bound - final
    return imported, assigned


@rule
def final_cells_have_a_verdict(nb: NotebookNode, path: Path) -> list[str]:
    """The cell after a final one imports the shipped object by another name and compares both.

    A private function is compared through what calls it, so another name of its module will do.
    """
    out = []
    cells = code_cells(nb)
    for cell, module, name, _, _ in _tagged(nb):
        if is_naive(module):
            continue  # the lesson compares its oracle with the numbers worked by hand
        after = next((c for c in cells[cells.index(cell) + 1 :] if not final_tags(c)), None)
        if after is None or not _compares(after, module, name):
            out.append(
                f"{place(nb, cell)}: the next code cell should say `from {module} import {name}"
                f" as Shipped` and end in a verdict between the two, with the same weights"
            )
    return out


def _compares(cell: NotebookNode, module: str, name: str) -> bool:
    aliases = _imports(tree(cell))
    renamed = any(
        whole in {f"{module}.{name}", module}
        or (name.startswith("_") and whole.startswith(f"{module}."))
        for alias, whole in aliases.items()
        if alias != whole.split(".")[-1]
    )
    printed = "".join(output.get("text", "") for output in cell.outputs)
    return renamed and "verdict(" in cell.source and bool(re.search(r": True$", printed, re.M))
