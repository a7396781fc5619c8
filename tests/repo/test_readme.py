"""What the README shows runs as shown; the commands, files and pages that texts name are there."""

import dataclasses
import doctest
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from lessons import HEADER_PATTERN, LESSONS, NOTEBOOKS

from benchmarks import report
from benchmarks.report import number
from gemma3_edu import Gemma3, Processor, save

from ..tokenizers import small_config, small_tokenizer

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks/results"
TEXTS = {name: (ROOT / name).read_text("utf-8") for name in ("README.md", "CONTRIBUTING.md")}
EXAMPLES = "\n".join(re.findall(r"```pycon\n(.*?)```", TEXTS["README.md"], re.DOTALL))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def failures(examples: str) -> str:
    """The report of the examples that give something else than shown."""
    test = doctest.DocTestParser().get_doctest(examples, {}, "README.md", "README.md", 0)
    report: list[str] = []
    doctest.DocTestRunner().run(test, out=report.append)
    return "".join(report)


@pytest.fixture
def beside_a_checkpoint(tmp_path, monkeypatch):
    """A working directory with the files that the README's examples read."""
    config = small_config()
    config = dataclasses.replace(
        config,
        text=dataclasses.replace(
            config.text, max_position_embeddings=64, query_pre_attn_scalar=config.text.head_dim
        ),
    )
    torch.manual_seed(0)
    processor = Processor(small_tokenizer(), config)
    save(Gemma3(config), processor, tmp_path / "gemma-3-4b-it")
    shutil.copy(ROOT / "gemma3_edu/assets/photos/nagasaki-boats.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("beside_a_checkpoint")
def test_the_examples_give_what_they_show():
    assert EXAMPLES.count(">>>") > 15
    assert failures(EXAMPLES) == ""


@pytest.mark.usefixtures("beside_a_checkpoint")
@pytest.mark.parametrize(
    ("shown", "instead"),
    [("2805989376", "2805989377"), ("..###.", ".####."), ("    model", "    x")],
)
def test_an_example_that_gives_something_else_is_noticed(shown, instead):
    assert shown in EXAMPLES
    assert failures(EXAMPLES.replace(shown, instead))


@pytest.mark.parametrize("name", TEXTS)
def test_commands_and_files_that_are_named_exist(name):
    code = re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", TEXTS[name], re.DOTALL)
    shell = "\n".join("".join(pair) for pair in code)
    commands = set(re.findall(r"\bmake ([a-z-]+)", shell))
    assert {"test", "help"} <= commands <= TARGETS
    links = re.findall(r"\]\((?!https:)([^)#]+)\)", TEXTS[name])
    files = re.findall(r"`((?:tests|tools|gemma3_edu|notebooks)/[\w./]+)`", TEXTS[name])
    assert [f for f in links + files if not (ROOT / f).exists()] == []


def table_row(stem: str, title: str) -> tuple[str, str, str]:
    """Number, name and minutes as the README's table must show them: a link once it is written."""
    path = NOTEBOOKS / f"{stem}.ipynb"
    if not path.exists():
        return stem[:2], title, ""
    first = json.loads(path.read_text("utf-8"))["cells"][0]["source"]
    header = HEADER_PATTERN.search("".join(first))
    practice = f" + {header['practice']}" if header["practice"] else ""
    return stem[:2], f"[{title}](notebooks/{stem}.ipynb)", header["minutes"] + practice


def test_the_table_links_the_notebooks_that_are_written():
    rows = re.findall(
        r"^\| (\d\d) \| (.*?) \| .+? \| ([\d +]*?) *\|$", TEXTS["README.md"], re.MULTILINE
    )
    assert rows == [table_row(stem, title) for stem, title in LESSONS.items()]


def measured() -> dict[tuple[str, str], dict]:
    """The entries of all committed results, by row and quantity."""
    files = [json.loads(path.read_text("utf-8")) for path in RESULTS.glob("*.json")]
    return {(e["row"], e["quantity"]): e for file in files for e in file["measurements"]}


def test_the_speeds_are_those_of_the_results():
    variant = "(, compiled(?: in sixes|, bits kept)?)?"
    pattern = rf"^\| `([\w-]+)`: (.+), (\S+) \| (\S+) \| ([^ ]+?){variant} \| \*\*(.+)\*\* \|$"
    rows = re.findall(pattern, TEXTS["README.md"], re.MULTILINE)
    assert len(rows) == 13
    found = measured()
    for row, quantity, unit, theirs, ours, compiled, ratio in rows:
        entry, own = found[row, quantity], "gemma3_edu" + compiled[1:]
        medians = {name: number(each["median"]) for name, each in entry["contestants"].items()}
        pairs = {(each["ours"], each["beside"]): each for each in entry["comparisons"]}
        other = "llama.cpp" if "_0-" in row else "transformers sdpa"
        assert (medians[other], medians[own], entry["unit"]) == (theirs, ours, unit), row
        assert f"{pairs[own, other]['value']:.2f}" == ratio, row


def test_the_tables_of_results_are_those_of_their_numbers():
    documents = [json.loads(path.read_text("utf-8")) for path in RESULTS.glob("*.json")]
    assert len(documents) >= 4
    for results in documents:
        text = (RESULTS / f"{results['name']}.md").read_text("utf-8")
        assert text == report.table(results)
        assert all((RESULTS / picture["file"]).is_file() for picture in results["pictures"])
