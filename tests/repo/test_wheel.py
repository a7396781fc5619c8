"""The wheel holds the whole package and works without the checkout.

`make wheel-test` goes further and installs it in an empty environment, which takes minutes.
"""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_its_data(wheel):
    here = [p.relative_to(ROOT) for p in (ROOT / "gemma3_edu").rglob("*") if p.is_file()]
    caches = re.compile(r"/(__pycache__|\.[^/]+)/")
    source = {path for p in here if not caches.search(path := p.as_posix())}
    assert {"gemma3_edu/py.typed", "gemma3_edu/assets/photos/nagasaki-boats.jpg"} <= source
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in packed if ".dist-info/" not in name} == source
    licences = {name.split("/licenses/")[1] for name in packed if "/licenses/" in name}
    assert licences == {"LICENSE", "ATTRIBUTION.md"}


def test_the_wheel_works_without_the_checkout(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    shutil.copy(Path(__file__).with_name("installed.py"), tmp_path)
    code = "import sys; sys.path.insert(0, '.'); import installed; installed.main()"
    command = [sys.executable, "-I", "-c", code]  # -I: no PYTHONPATH, no folder of ours
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert str(tmp_path) in run.stdout
