"""What all notebooks share: their names, the set-up cell, the header, and what is in every lesson.

The tools that make and run notebooks and the tests that judge them read the same tables here.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"

LESSONS = {
    "00_start_here": "Start here",
    "01_tokens_and_embeddings": "Tokens and embeddings",
    "02_rmsnorm": "RMSNorm",
    "03_qk_norm": "QK-norm",
    "04_rope": "RoPE",
    "05_sliding_window_masks": "Sliding-window masks",
    "06_grouped_query_attention": "Grouped-query attention",
    "07_block": "The block",
    "08_kv_cache": "The KV cache",
    "09_text_model": "The text model",
    "10_generation": "Generation",
    "11_siglip_encoder": "The SigLIP encoder",
    "12_image_tokens": "Image tokens",
    "13_pan_and_scan": "Pan and scan",
    "14_full_model": "The full model",
    "15_parity": "Parity",
    "16_memory_and_cost": "Memory and cost",
    "17_long_context": "Long context",
    "18_local_and_global": "Local and global layers",
    "19_distillation": "Distillation",
    "20_quantization": "Quantization",
    "21_quantization_aware_training": "Quantization-aware training",
    "22_instruction_tuning": "Instruction tuning",
    "23_rewards_and_rl": "Rewards and reinforcement learning",
    "24_memorization": "Memorization",
    "25_function_calling": "Function calling",
    "26_image_safety": "Image safety",
    "27_lora_finetuning": "LoRA fine-tuning",
    "28_numerics": "Numerics",
    "29_scaling_out": "Scaling out",
}
APPENDICES = {  # in a folder of their own, read one by one
    "A1_the_report_checked": "The report, checked",
    "A2_museum_of_mistakes": "The museum of mistakes",
    "A3_real_gemma": "A real Gemma on your CPU",
}
TITLES = LESSONS | APPENDICES

SET_UP = """\
%matplotlib inline
import matplotlib.pyplot as plt
import torch

from gemma3_edu.lessons.nb import STYLE, attempt, show, verdict

plt.rcParams.update(STYLE)
torch.set_printoptions(precision=3, sci_mode=False)
_ = torch.manual_seed(0)"""

# Section numbers are the same in every lesson; headings may use words of their own after them.
# Of lessons in numbered sections. Those told as a story have headings of their own.
SECTIONS = {
    1: "You will",
    2: "In Gemma 3",
    3: "Set-up",
    4: "Predict",
    5: "By hand",
    6: "Slow and obvious",
    7: "Fast",
    8: "Against someone else's",
    9: "Break it",
    10: "See it",
    11: "Turn the knob",
    12: "What it costs",
    13: "The version we keep",
    14: "Exercises",
    15: "In the wild",
    16: "Summary and limits",
    17: "References",
}
NEEDED = {3, 4, 10, 14, 16}  # in every lesson
NEEDED_AT_HOME = NEEDED | {5, 6, 7, 9, 13}  # where a component of the package is derived

ENDS_WITH = ["Practice", "What to remember"]  # the last headings of a story

BUDGET = {"seconds": 60.0, "seconds a cell": 20.0, "gigabytes": 1.5, "megabytes on disk": 1.0}

# A lesson that states its practice apart is told as a story; the others have the sections above.
HEADER_PATTERN = re.compile(
    r"^(?P<minutes>\d+) minutes to read(?:, (?P<practice>\d+) to practise)? · "
    r"runs in (?P<seconds>\d+) s · "
    r"(?P<gigabytes>\d+\.\d) GB · read first: (?P<first>nothing|\d\d(?:, \d\d)*)$",
    re.MULTILINE,
)


def navigation(stem: str, folder: Path) -> str:
    """The line of links under a lesson's claim; a neighbour not in `folder` yet is named, unlinked.

    >>> navigation("00_start_here", Path("no_such_folder"))
    '[contents](../README.md) · next: 01 Tokens and embeddings (not written yet)'
    >>> navigation("A3_real_gemma", Path("no_such_folder"))
    '[contents](../../README.md)'
    """
    if stem in APPENDICES:
        return "[contents](../../README.md)"
    stems = list(LESSONS)
    place = stems.index(stem)
    parts = ["[contents](../README.md)"]
    if place > 0:
        parts.insert(0, f"previous: {_link(stems[place - 1], folder)}")
    if place + 1 < len(stems):
        parts.append(f"next: {_link(stems[place + 1], folder)}")
    return " · ".join(parts)


def _link(stem: str, folder: Path) -> str:
    name = f"{stem[:2]} {TITLES[stem]}"
    written = (folder / f"{stem}.ipynb").exists()
    return f"[{name}]({stem}.ipynb)" if written else f"{name} (not written yet)"


def is_solution(path: Path) -> bool:
    """Solutions live in a folder of that name, under the lesson's own file name."""
    return path.parent.name == "solutions"


def home(stem: str, folder: Path = NOTEBOOKS) -> Path:
    """The folder of a lesson or an appendix, in the folder of all lessons."""
    return folder / "appendix" if stem in APPENDICES else folder


def find(words: list[str], folder: Path = NOTEBOOKS) -> list[Path]:
    """Notebooks for what was typed: paths, or numbers such as 05 (the lesson and its solution).

    An appendix's number is A3. Nothing typed means all. ValueError if a word names no notebook.
    """
    folders = [folder, folder / "appendix", folder / "solutions"]
    every = [path for each in folders for path in sorted(each.glob("*.ipynb"))]
    if not words:
        return every
    found: list[Path] = []
    for word in words:
        if re.fullmatch(r"\d{1,2}|[Aa]\d", word):
            number = word.upper().zfill(2)
            chosen = [path for path in every if path.name.startswith(f"{number}_")]
        else:
            chosen = [Path(word)] if Path(word).is_file() else []
        if not chosen:
            known = ", ".join(sorted({path.name[:2] for path in every})) or "none yet"
            raise ValueError(f"no notebook {word!r}: give a path, or a number out of {known}")
        found += [path for path in chosen if path not in found]
    return found
