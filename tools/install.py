"""Put the project and what it needs into the environment that runs this script.

    python tools/install.py         what the notebooks need
    python tools/install.py test    what the tests need as well

pip itself comes first, since older ones do not compare what a constraints file asks for. Every file
that is downloaded then has to have one of its SHA-256 sums in hashes.txt, at the version that
constraints.txt pins, and nothing is built but the project itself, with a builder that was checked
like the rest. torch is the exception: PyTorch offers the same version in builds for each kind of
machine, from addresses of its own, and a list with the sums of one of them would keep out all
others. Its version is pinned, and its index vouches for its files.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIP = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
CHECKED = ["--require-hashes", "--only-binary", ":all:"]


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns pip's exit status where it fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("extras", nargs="*", choices=["test"], help="test: for the tests")
    options = parser.parse_args(arguments)
    quiet = ["--quiet"] if os.environ.get("CI") else []
    with tempfile.TemporaryDirectory() as folder:
        for step in steps(Path(folder), options.extras):
            status = subprocess.run([*PIP, *quiet, *step], cwd=ROOT).returncode
            if status:
                return status
    return 0


def steps(folder: Path, extras: list[str]) -> list[list[str]]:
    """What pip is asked for, call by call; the lists of names are written into `folder`."""
    hashes = (ROOT / "hashes.txt").read_text(encoding="utf-8")
    own = folder / "pip.txt"
    own.write_text(pinned(hashes)["pip"], encoding="utf-8")
    names = folder / "names.txt"
    names.write_text("\n".join(needed(extras)) + "\n", encoding="utf-8")
    return [
        [*CHECKED, "-r", str(own)],
        ["--no-deps", "--only-binary", ":all:", "-c", "constraints.txt", "torch"],
        [*CHECKED, "-c", "hashes.txt", "-r", str(names)],
        ["--no-deps", "--no-build-isolation", "-e", "."],
    ]


def needed(extras: list[str]) -> list[str]:
    """The project's direct dependencies, as pyproject.toml has them, and what builds it."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        content = tomllib.load(file)
    project = content["project"]
    chosen = [text for extra in extras for text in project["optional-dependencies"][extra]]
    build = [*content["build-system"]["requires"], "editables"]  # for a folder that is edited
    return [*build, *project["dependencies"], *chosen]


def pinned(hashes: str) -> dict[str, str]:
    """The entries of hashes.txt by name, each with the sums that follow it.

    >>> sorted(pinned("pip==26.3 \\\\\\n    --hash=sha256:0a\\ntorch==2.13.0\\n"))
    ['pip', 'torch']
    """
    entries: dict[str, str] = {}
    name = ""
    for line in hashes.splitlines(keepends=True):
        if line.startswith("#") or not line.strip():
            continue
        if not line.startswith(" "):
            name = line.partition("==")[0]
        entries[name] = entries.get(name, "") + line
    return entries


if __name__ == "__main__":
    sys.exit(main())
