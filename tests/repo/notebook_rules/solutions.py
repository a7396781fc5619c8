"""A solution answers the exercise that was set: same signature, and the check says correct."""

import ast

from nbformat import NotebookNode
from notebook_outputs import code_cells, tags

from .reading import tree


def solution_complaints(lesson: NotebookNode, solution: NotebookNode) -> list[str]:
    """What is missing or different in a solution notebook, seen from the lesson's stubs."""
    out = []
    answers = {f.name: f for cell in code_cells(solution) for f in _functions(cell)}
    printed = "".join(o.get("text", "") for cell in code_cells(solution) for o in cell.outputs)
    for cell in exercises(lesson):
        for stub in _functions(cell):
            answer = answers.get(stub.name)
            if answer is None:
                out.append(f"the solution defines no {stub.name}")
            elif _signature(stub) != _signature(answer):
                out.append(f"{_signature(answer)} in the solution, {_signature(stub)} in the stub")
        for label in _labels(cell):
            if f"{label}: correct" not in printed.splitlines():
                out.append(f"the solution does not print '{label}: correct'")
    return out


def exercises(lesson: NotebookNode) -> list[NotebookNode]:
    """The cells a learner fills in."""
    return [cell for cell in code_cells(lesson) if "exercise" in tags(cell)]


def _functions(cell: NotebookNode) -> list[ast.FunctionDef]:
    return [node for node in tree(cell).body if isinstance(node, ast.FunctionDef)]


def _signature(function: ast.FunctionDef) -> str:
    result = ast.unparse(function.returns) if function.returns else "nothing stated"
    return f"{function.name}({ast.unparse(function.args)}) -> {result}"


def _labels(cell: NotebookNode) -> list[str]:
    calls = [node for node in ast.walk(tree(cell)) if isinstance(node, ast.Call)]
    named = [call for call in calls if ast.unparse(call.func) == "attempt" and call.args]
    return [str(ast.literal_eval(call.args[0])) for call in named]
