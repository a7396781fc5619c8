"""One list of dependencies: `pyproject.toml` says it, `environment.yml` repeats it,
`constraints.txt` pins all that it brings along, and `hashes.txt` has the sums of those files."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import install
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = (ROOT / "environment.yml").read_text(encoding="utf-8")
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
HASHES = (ROOT / "hashes.txt").read_text(encoding="utf-8")

NEEDED = [Requirement(text) for text in PROJECT["dependencies"]]
EXTRAS = [Requirement(t) for e in PROJECT["optional-dependencies"].values() for t in e]


def environment_complaints(text: str) -> list[str]:
    """Where an environment file says other than `pyproject.toml`."""
    python, pip, rest = yaml.safe_load(text)["dependencies"]
    options = [line for line in rest["pip"] if line.startswith("-")]
    listed = {Requirement(line) for line in rest["pip"] if not line.startswith("-")}
    found = [f"differs: {r}" for r in sorted(map(str, listed ^ set(NEEDED)))]
    if SpecifierSet(python.removeprefix("python")) != SpecifierSet(PROJECT["requires-python"]):
        found.append(f"{python}, but requires-python is {PROJECT['requires-python']}")
    if pip != "pip" or options != ["-c constraints.txt", "-e ."]:
        found.append(f"options: {pip}, {options}")
    return found


def pins_in(text: str) -> dict[str, str]:
    """Versions by name; every other line is a comment."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pairs = [re.fullmatch(r"([a-z0-9-]+)==([0-9][0-9a-z.]*)", line) for line in lines]
    assert all(pairs), [line for line, pair in zip(lines, pairs, strict=True) if not pair]
    pins = dict(pair.groups() for pair in pairs)
    assert len(pins) == len(lines), "a package is pinned twice"
    return pins


def constraint_complaints(text: str) -> list[str]:
    """Direct dependencies that are not pinned, or pinned outside their range."""
    pins = pins_in(text)
    names = {canonicalize_name(r.name): r for r in NEEDED + EXTRAS}
    found = [f"{name} is not pinned" for name in names if name not in pins]
    return found + [
        f"{name}=={pins[name]} is outside {r.specifier}"
        for name, r in names.items()
        if name in pins and not r.specifier.contains(pins[name])
    ]


def brought_along() -> set[str]:
    """All that the dependencies need, and so on, on this machine."""
    seen, queue = set(), [(r, "") for r in NEEDED + EXTRAS]
    while queue:
        requirement, extra = queue.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in ["", *requirement.extras]:
            if (name, wanted) in seen:
                continue
            seen.add((name, wanted))
            try:
                queue += [(Requirement(text), wanted) for text in requires(name) or []]
            except PackageNotFoundError:  # CUDA's, beside a CPU build
                continue
    return {name for name, _ in seen}


def test_the_conda_environment_repeats_the_project():
    assert environment_complaints(ENVIRONMENT) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("torch>=2.6,<3", "torch>=2.7,<3", "differs: torch<3,>=2.6"),
        ("      - pillow>=11\n", "", "differs: pillow>=11"),
        ("      - -e .", "      - scipy\n      - -e .", "differs: scipy"),
        ("python>=3.11,<3.14", "python>=3.10,<3.14", "requires-python"),
        ("      - -c constraints.txt\n", "", "options"),
    ],
)
def test_a_change_of_the_conda_environment_is_noticed(old, new, complaint):
    assert old in ENVIRONMENT
    assert complaint in " ".join(environment_complaints(ENVIRONMENT.replace(old, new)))


def test_the_pins_fit_the_project():
    assert constraint_complaints(CONSTRAINTS) == []


@pytest.mark.parametrize(
    ("pattern", "new", "complaint"),
    [
        (r"\ntorch==.*", "", "torch is not pinned"),
        (r"\ntorch==.*", "\ntorch==2.5.1", "torch==2.5.1 is outside"),
        (r"\nnbval==.*", "\nnbval==0.10.0", "nbval==0.10.0 is outside"),
    ],
)
def test_a_change_of_a_pin_is_noticed(pattern, new, complaint):
    changed = re.sub(pattern, new, CONSTRAINTS)
    assert changed != CONSTRAINTS
    assert complaint in " ".join(constraint_complaints(changed))


@pytest.mark.parametrize("line", ["torch", "torch>=2.6", "torch==2.13.0+cpu", "numpy==2.0.0"])
def test_only_plain_pins_are_read(line):
    with pytest.raises(AssertionError):
        pins_in(CONSTRAINTS + line + "\n")


def test_all_that_is_brought_along_is_pinned():
    found, pins = brought_along(), set(pins_in(CONSTRAINTS))
    assert found - pins == set()
    assert found - (pins - {"tornado"}) == {"tornado"}  # two steps away: it would be noticed


def hash_complaints(text: str) -> list[str]:
    """Where the list of sums and the list of pins differ, and entries without a sum."""
    entries, pins = install.pinned(text), pins_in(CONSTRAINTS)
    found = [f"{name} has no sums" for name in pins if name not in entries]
    for name, entry in entries.items():
        version = entry.split()[0].partition("==")[2]
        sums = re.findall(r"--hash=sha256:([0-9a-f]{64})(?:\s|$)", entry)
        if pins.get(name) != version:
            found.append(f"{name}=={version}, but it is pinned to {pins.get(name)}")
        if not sums and name != "torch":
            found.append(f"{name} has no sum")
    return found


def test_every_pin_has_the_sums_of_its_files():
    assert hash_complaints(HASHES) == []


@pytest.mark.parametrize(
    ("pattern", "new", "complaint"),
    [
        (r"\nnumpy==(?:.*\\\n)+.*", "", "numpy has no sums"),
        (r"\nnumpy==\S+", "\nnumpy==2.0.0", "numpy==2.0.0, but it is pinned to"),
        (r"\n(iniconfig==\S+)(?:.*\\\n)+.*", r"\n\1", "iniconfig has no sum"),
        (r"\n(iniconfig==\S+) \\\n", r"\nscipy==1.0 \\\n", "scipy==1.0, but it is pinned to None"),
    ],
)
def test_a_change_of_the_sums_is_noticed(pattern, new, complaint):
    changed = re.sub(pattern, new, HASHES)
    assert changed != HASHES
    assert complaint in " ".join(hash_complaints(changed))


def test_what_is_installed_is_checked_all_but_torch_and_the_project(tmp_path):
    pip, torch, rest, project = install.steps(tmp_path, ["test"])
    for step in (pip, rest):
        assert step[:3] == ["--require-hashes", "--only-binary", ":all:"]
    assert (tmp_path / "pip.txt").read_text().startswith("pip==")
    assert torch == [*"--no-deps --only-binary :all: -c constraints.txt torch".split()]
    assert project == [*"--no-deps --no-build-isolation -e .".split()]
    asked = {Requirement(line) for line in (tmp_path / "names.txt").read_text().splitlines()}
    assert set(NEEDED + EXTRAS) <= asked
    install.steps(tmp_path, [])
    asked = {Requirement(line).name for line in (tmp_path / "names.txt").read_text().splitlines()}
    assert "torch" in asked
    assert "pytest" not in asked


def test_make_installs_through_the_script_alone():
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("# Stamps")[2]
    assert re.findall(r"\t(.*)", recipe) == [
        "$(BIN)/python tools/install.py",
        "@touch $@",
        "$(BIN)/python tools/install.py test",
        "@touch $(VENV)/lab $@",
    ]
