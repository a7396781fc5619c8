"""Results as a document, a table for people, and files that are written whole or not at all.

>>> number(1234.5), number(12.345), number(0.012345)
('1,234', '12.3', '0.0123')
"""

import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import summary
from .measure import Measured, same_ids, values
from .rows import OURS, comparisons

HEADER = (
    "| measurement | unit | ours | | beside | | times better (95%) | same ids |\n"
    "|---|---|---|---|---|---|---|---|"
)
NONE = "-"


def document(
    name: str, found: Sequence[Measured], machine: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything a run found, ready for JSON; one entry a row and quantity."""
    return {
        "name": name,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": dict(machine),
        "settings": dict(settings),
        "measurements": [
            _entry(measured, index)
            for measured in found
            for index in range(len(measured.row.quantities))
        ],
    }


def _entry(measured: Measured, index: int) -> dict[str, Any]:
    row, quantity = measured.row, measured.row.quantities[index]
    samples = {
        name: values(row, replies, quantity.name) for name, replies in measured.replies.items()
    }
    entry = {
        "row": row.name,
        "kind": row.kind,
        "size": row.size,
        "dtype": row.dtype,
        "tokens": row.tokens,
        "quantity": quantity.name,
        "unit": quantity.unit,
        "more_is_better": quantity.more_is_better,
        "contestants": {
            name: {"samples": those, **asdict(summary.of(those))} for name, those in samples.items()
        },
        "comparisons": [
            {
                "ours": own,
                "beside": other,
                **asdict(summary.ratio(samples[own], samples[other], quantity.more_is_better)),
                "same_ids": same_ids(measured, own, other),
            }
            for own, other in comparisons(samples)
        ],
        "failed": measured.failed,
    }
    if quantity.name == "cache" and OURS in samples:
        entry["formula"] = values(row, measured.replies[OURS], "formula")[0]
    return entry


def table(results: Mapping[str, Any]) -> str:
    """The document as Markdown: where it was measured, then one line a comparison."""
    machine, settings = results["machine"], results["settings"]
    versions = ", ".join(f"{name} {which}" for name, which in machine["versions"].items())
    lines = [
        f"# Measured: {results['name']}",
        "",
        f"{results['made']}; {machine['cpu']} ({machine['instructions']}), "
        f"{machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}; "
        f"threads {machine['threads']}; "
        f"load before the run {machine['load']}.",
        f"{versions}. Up to {settings['rounds']} rounds.",
        "",
        "Medians, with the least and the quartiles of the rounds. Above 1 gemma3_edu is better.",
    ]
    for picture in results.get("pictures", []):
        lines += ["", f"![{picture['alt']}]({picture['file']})"]
    lines += ["", HEADER]
    for entry in results["measurements"]:
        lines += _lines(entry)
    return "\n".join(lines) + "\n"


def _lines(entry: Mapping[str, Any]) -> list[str]:
    what = f"{entry['row']}: {entry['quantity']}"
    if "formula" in entry:
        what += f" (formula {number(entry['formula'])})"
    contestants, failed = entry["contestants"], entry["failed"]
    found = {(each["ours"], each["beside"]): each for each in entry["comparisons"]}
    names = [*contestants, *failed]
    lines = []
    for own, other in comparisons(names) or [(name, NONE) for name in names]:
        ratio = found.get((own, other))
        same = ratio and ratio["same_ids"]
        cells = [what, entry["unit"]]
        for name in (own, other):
            cells += [name, _spread(contestants.get(name), failed.get(name))]
        cells += [
            f"**{ratio['value']:.2f}** ({ratio['low']:.2f} to {ratio['high']:.2f})"
            if ratio
            else NONE,
            f"{same[0]} of {same[1]}" if same else NONE,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _spread(found: Mapping[str, float] | None, failed: str | None) -> str:
    if found is None:
        return NONE if failed is None else "failed: " + failed.replace("|", "/")
    least, lower, upper = (number(found[key]) for key in ("least", "lower", "upper"))
    return f"**{number(found['median'])}** (least {least}, {lower} to {upper})"


def number(value: float) -> str:
    """Three digits that count, and never fewer than stand before the point."""
    if value == 0:
        return "0"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def check_folder(folder: Path) -> None:
    """ValueError, before an hour is measured, where results cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".trial-", dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"folder={str(folder)!r} takes no results ({error}); name another with --folder"
        ) from error


def write(
    results: Mapping[str, Any], folder: Path, pictures: Mapping[str, bytes] | None = None
) -> list[Path]:
    """Write NAME.json, NAME.md and the pictures, by their files' names; give all paths.

    They are made beside and moved in when all are there: an error leaves what was there before.
    """
    name = results["name"]
    contents = {
        f"{name}.json": (json.dumps(results, indent=1, ensure_ascii=False) + "\n").encode(),
        f"{name}.md": table(results).encode(),
        **(pictures or {}),
    }
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as beside:
        for file, content in contents.items():
            (Path(beside) / file).write_bytes(content)
        for file in contents:
            os.replace(Path(beside) / file, folder / file)
    return [folder / file for file in contents]
