"""Draw the static figures: one script in figures/src for each, an SVG and a PNG out of it.

    python tools/make_figures.py            draw what is out of date, and the manifest
    python tools/make_figures.py --check    write nothing; say what is out of date

A script has TITLE, ALT (a sentence with a number in it), LONG (the whole picture in words) and
`draw()`, which returns a matplotlib figure drawn in the notebooks' style, or SVG text. SVG text is
kept as it is and gets no PNG. figures/manifest.json lists for each picture its words, its script,
its digest and who uses it. Nothing in the SVG depends on the day or on chance.
"""

import argparse
import hashlib
import io
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from lessons import ROOT
from matplotlib.figure import Figure

from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.nb import STYLE

FIGURES = ROOT / "figures"
# Text stays text: it can be selected, searched and read aloud, and it scales with the picture.
RENDERING = {**STYLE, "svg.fonttype": "none", "svg.hashsalt": "gemma3_edu"}
NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Picture:
    """One figure as its script makes it now."""

    name: str
    title: str
    alt: str
    long: str
    digest: list[str]
    svg: str
    png: bytes | None


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if out of date")
    parser.add_argument("--folder", type=Path, default=FIGURES, help="holds src/ and the pictures")
    options = parser.parse_args(arguments)
    try:
        pictures = draw_all(options.folder)
    except ValueError as error:
        parser.error(str(error))
    stale = out_of_date(pictures, options.folder)
    print("\n".join(stale) or f"{len(pictures)} figures are up to date")
    if stale and not options.check:
        write(pictures, options.folder)
    return 1 if stale and options.check else 0


def draw_all(folder: Path) -> list[Picture]:
    """Run every script; ValueError naming the script if its words or its picture are missing."""
    return [_draw(script) for script in sorted((folder / "src").glob("*.py"))]


def _draw(script: Path) -> Picture:
    module = ModuleType(f"figure_{script.stem}")
    module.__file__ = str(script)
    # Compiled here, not imported: Python's compiled file would outlive an edit of the same second.
    code = compile(script.read_text(encoding="utf-8"), script, "exec")
    with plt.rc_context(RENDERING):
        exec(code, module.__dict__)
        words = {key: getattr(module, key.upper(), "") for key in ("title", "alt", "long")}
        for key, least in [("title", 1), ("alt", 6), ("long", 15)]:
            if len(words[key].split()) < least:
                raise ValueError(f"{script.name}: {key.upper()} needs {least} words or more")
        drawn, png = module.draw(), None
        if isinstance(drawn, Figure):
            digest, png = describe(drawn), _render(drawn, "png")
            svg = _render(drawn, "svg").decode()
            plt.close(drawn)
        elif isinstance(drawn, str):
            svg, digest = drawn, f"sha256 {hashlib.sha256(drawn.encode()).hexdigest()}"
        else:
            kind = type(drawn).__name__
            raise ValueError(f"{script.name}: draw() gave {kind}, not a matplotlib figure or SVG")
    lines = digest.splitlines()
    return Picture(script.stem, **words, digest=lines, svg=_worded(svg, words), png=png)


def _render(fig: Figure, kind: str) -> bytes:
    out = io.BytesIO()
    metadata: dict[str, Any] = NO_METADATA if kind == "svg" else {"Software": None}
    fig.savefig(out, format=kind, dpi=144, bbox_inches="tight", metadata=metadata)
    return out.getvalue()


def _worded(svg: str, words: dict[str, str]) -> str:
    """The SVG with a title and a description that readers aloud announce."""
    told = f"<title>{escape(words['title'])}</title>\n<desc>{escape(words['long'])}</desc>"
    svg, count = re.subn(r"<svg\b([^>]*)>", rf'<svg role="img"\1>\n{_literal(told)}', svg, count=1)
    if not count:
        raise ValueError("draw() gave text without an <svg> element")
    ElementTree.fromstring(svg)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def _literal(text: str) -> str:
    return text.replace("\\", r"\\")


def manifest(pictures: list[Picture], folder: Path) -> dict[str, Any]:
    """What figures/manifest.json should hold."""
    figures = [
        {
            "file": f"{picture.name}.svg",
            "png": f"{picture.name}.png" if picture.png else None,
            "title": picture.title,
            "alt": picture.alt,
            "long": picture.long,
            "script": f"src/{picture.name}.py",
            "digest": picture.digest,
            "users": users(picture.name, folder.parent),
        }
        for picture in pictures
    ]
    return {"matplotlib": matplotlib.__version__, "figures": figures}


def users(name: str, root: Path) -> list[str]:
    """The pages and notebooks that show a figure, from the root of the repository."""
    pages = [*root.glob("*.md"), *(root / "notebooks").rglob("*.ipynb")]
    pages = [
        p for p in pages if not any(part.startswith(".") for part in p.relative_to(root).parts)
    ]
    shown = [p for p in pages if re.search(rf"figures/{name}\.(svg|png)", p.read_text("utf-8"))]
    return sorted(p.relative_to(root).as_posix() for p in shown)


def out_of_date(pictures: list[Picture], folder: Path) -> list[str]:
    """What differs between the scripts and the files.

    Another version of matplotlib may place a label elsewhere, so the SVG itself is compared only
    under the version that drew it; words, digests and users are compared always.
    """
    path = folder / "manifest.json"
    saved = json.loads(path.read_text("utf-8")) if path.exists() else {}
    wanted, stale = manifest(pictures, folder), []
    if saved.get("figures") != wanted["figures"]:
        old = {entry["file"]: entry for entry in saved.get("figures", [])}
        new = {entry["file"]: entry for entry in wanted["figures"]}
        differing = sorted(f for f in old.keys() | new.keys() if old.get(f) != new.get(f))
        stale.append(f"manifest.json is out of date: {', '.join(differing) or 'order'}")
    for picture in pictures:
        file = folder / f"{picture.name}.svg"
        same_drawer = saved.get("matplotlib") == matplotlib.__version__
        if not file.exists() or (same_drawer and file.read_text("utf-8") != picture.svg):
            stale.append(f"{file.name} is out of date")
        if picture.png and not file.with_suffix(".png").exists():
            stale.append(f"{picture.name}.png is missing")
    names = {picture.name for picture in pictures}
    for file in sorted([*folder.glob("*.svg"), *folder.glob("*.png")]):
        if file.stem not in names:
            stale.append(f"{file.name} has no script in src/; delete it or write one")
    return stale


def write(pictures: list[Picture], folder: Path) -> None:
    """Write what changed; a PNG only where its SVG did, since its bytes differ between machines."""
    for picture in pictures:
        file = folder / f"{picture.name}.svg"
        changed = not file.exists() or file.read_text("utf-8") != picture.svg
        file.write_text(picture.svg, "utf-8")
        if picture.png and (changed or not file.with_suffix(".png").exists()):
            file.with_suffix(".png").write_bytes(picture.png)
    text = json.dumps(manifest(pictures, folder), indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
