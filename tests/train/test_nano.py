"""The recipe runs from nothing to two checkpoints, in slices, and each stage does what it says."""

import dataclasses
import itertools
import json
import shutil
from pathlib import Path

import pytest
import torch

from gemma3_edu import Processor, Tokenizer, load
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.study.cost import parameters
from gemma3_edu.train import card, evaluate, nano, recipe, stage
from gemma3_edu.train.data.mixture import STAGES as SHARES
from gemma3_edu.train.history import training
from gemma3_edu.train.loop import Plan
from gemma3_edu.train.nano import main
from gemma3_edu.train.recipe import Run, Stage, nano_config
from gemma3_edu.train.rows import Encoder, Row
from tests.tokenizers import DATA, small_tokenizer

PLAN = Plan(steps=5, rate=1e-2, muon_rate=1e-2, warmup=2, average=0.5)
FEW = {
    "encoder": Stage(PLAN, 2),
    "induction": Stage(PLAN, 2, 192),
    "pretrain": Stage(PLAN, 2, 192, 3),
    "instruct": Stage(PLAN, 2, 192, 3),
}
VOCABULARY = ["--vocabulary", str(DATA / "tokenizer.model")]


def small(patch) -> None:
    """Sizes and stages for a test's seconds; each step is of its own kind all the same."""
    tiny = PRESETS["tiny"]
    text = dataclasses.replace(tiny.text, max_position_embeddings=2048)
    patch.setitem(PRESETS, "nano", dataclasses.replace(tiny, text=text))
    patch.setattr(stage, "LONG", 400)
    for name, few in FEW.items():
        patch.setitem(recipe.STAGES, name, few)


@pytest.fixture
def _small(monkeypatch):
    small(monkeypatch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All stages of a very small nano, in one go."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        assert main(["--folder", str(folder), *VOCABULARY]) == 0
    return folder


def copied_until(name: str, folder: Path, target: Path) -> list[str]:
    """A new run that goes on after a stage of another; what names it on the command line."""
    shutil.copy(folder / "tokenizer.model", target)
    shutil.copytree(folder / name, target / name)
    return ["--folder", str(target)]


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(load(path, dtype=torch.float32)[0].named_parameters())


def test_each_stage_changes_what_it_is_to_change(folder):
    """The encoder learns first and is then frozen; the second stage sees no picture."""
    stages = {name: weights(folder / name) for name in FEW}
    table, projector = "language_model.embed_tokens.weight", "vision.projector."
    for before, after in itertools.pairwise(FEW):
        same = {n for n, w in stages[before].items() if torch.equal(w, stages[after][n])}
        assert all((n in same) for n in stages[before] if n.startswith("vision.encoder."))
        seen = [n in same for n in stages[before] if n.startswith(projector)]
        assert all(seen) if after == "induction" else not any(seen)
        assert table not in same
        assert not any(n.startswith("language_model.layers.") for n in same)
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        fresh = dict(stage._start(Run(folder), "encoder")[0].named_parameters())
    moved = {name for name in fresh if not torch.equal(fresh[name], stages["encoder"][name])}
    assert moved == {name for name in fresh if name.startswith("vision.")}


def test_what_ships_is_bfloat16_and_complete(folder):
    for name, last in (("nano-pt", "pretrain"), ("nano-it", "instruct")):
        model, processor = load(folder / name)
        assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
        assert processor.tokenizer.model == small_tokenizer().model
        trained = weights(folder / last)
        assert all(torch.equal(p, trained[n].bfloat16()) for n, p in model.named_parameters())
        assert {"tokenizer.json", "preprocessor_config.json", "generation_config.json"} <= {
            file.name for file in (folder / name).iterdir()
        }


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(("name", "before"), [("encoder", None), ("pretrain", "induction")])
def test_slices_give_the_weights_of_one_run(name, before, folder, tmp_path, monkeypatch, capsys):
    clock = itertools.count()  # on which a step takes a second
    monkeypatch.setattr("gemma3_edu.train.loop.time.monotonic", lambda: next(clock) / 3)
    shutil.copy(folder / "tokenizer.model", tmp_path)
    here = copied_until(before, folder, tmp_path) if before else ["--folder", str(tmp_path)]
    slices = [name, *here, "--seconds", "2"]
    codes = []
    while not codes or codes[-1]:
        assert not (tmp_path / name).exists()
        codes.append(main(slices))
    assert len(codes) > 2
    assert set(codes[:-1]) == {3}
    assert f"{name}: not done; the same command goes on" in capsys.readouterr().err
    assert main(slices) == 0  # done: nothing is trained again
    whole, sliced = weights(folder / name), weights(tmp_path / name)
    assert all(torch.equal(whole[each], sliced[each]) for each in whole)


@pytest.mark.usefixtures("_small")
def test_mistakes_are_named(tmp_path, capsys):
    here = ["--folder", str(tmp_path)]

    def said(*arguments) -> str:
        assert main([*arguments, *here]) == 2
        return capsys.readouterr().err

    assert "STAGE: 'warmup' is unknown; choose one of tokenizer, encoder" in said("warmup")
    assert "run the stage `tokenizer` first" in said("encoder")
    assert main(["tokenizer", *here, *VOCABULARY]) == 0
    assert "no finished stage 'induction'" in said("pretrain")
    assert "no finished stage 'pretrain'" in said("export")
    (tmp_path / "tokenizer.model").unlink()
    assert "vocabulary: missing" in said("tokenizer", "--vocabulary", "missing")
    said("tokenizer", "warmup", *VOCABULARY)  # named before anything is done
    assert not (tmp_path / "tokenizer.model").exists()


def test_the_vocabulary_is_made_once_of_the_given_prose(tmp_path, monkeypatch):
    monkeypatch.setattr(nano, "training_text", lambda prose: [f"of {prose}"])
    monkeypatch.setattr(nano, "train", lambda lines: "".join(lines).encode())
    here = ["tokenizer", "--folder", str(tmp_path / "a" / "run"), "--prose"]
    assert main([*here, "some"]) == main([*here, "other"]) == 0
    assert (tmp_path / "a" / "run" / "tokenizer.model").read_text() == "of some"


def test_nano_is_gemma_3_and_two_fit_the_package():
    config = nano_config(small_tokenizer())
    text = config.text
    assert [i for i, t in enumerate(text.layer_types) if t.name == "GLOBAL"] == [5, 11]
    assert text.num_attention_heads * text.head_dim != text.hidden_size
    assert text.num_attention_heads > text.num_key_value_heads
    assert text.max_position_embeddings == recipe.LONG
    padded = dataclasses.replace(text, vocab_size=3072 + 64)
    size = 2 * parameters(dataclasses.replace(config, text=padded))  # bytes, in bfloat16
    assert 2 * size < 24e6


def test_scale_shortens_a_plan_and_keeps_it_whole(tmp_path):
    for name, each in recipe.STAGES.items():
        plan = Run(tmp_path, scale=0.1).plan(name)
        assert plan.steps == each.plan.steps // 10
        assert plan.warmup == round(each.plan.warmup / 10)
        assert Run(tmp_path, scale=1e-9).plan(name).steps == 2


@pytest.mark.parametrize("chat", [True, False], ids=["chat", "plain"])
@pytest.mark.parametrize("name", ["pretrain", "instruct", "long"])
def test_every_kind_of_example_has_room_in_an_empty_row(name, chat):
    """What has none would be left out without a word."""
    tokenizer = small_tokenizer()
    length = recipe.LONG if name == "long" else recipe.STAGES[name].length
    encode = Encoder(Processor(tokenizer, nano_config(tokenizer)), chat)
    mixture = Run(Path("nowhere")).mixture(name, tokenizer, length - 8)
    for task in SHARES[name]:
        for index in range(6):
            document = encode(mixture.of_task(task, index), pan_and_scan=True)
            assert Row(length).add(document), task


@pytest.mark.usefixtures("_small")
def test_no_two_steps_read_the_same_examples(folder, tmp_path, monkeypatch):
    read = []
    example = recipe.Mixture.example

    def watched(mixture, index):
        read.append((mixture.stage, index))
        return example(mixture, index)

    monkeypatch.setattr(recipe.Mixture, "example", watched)
    assert main(["instruct", *copied_until("pretrain", folder, tmp_path)]) == 0
    assert len(set(read)) == len(read)
    steps = [(name, index // stage.APART) for name, index in read]
    names = [name for (name, _), _ in itertools.groupby(steps)]
    assert names == ["instruct", "instruct", "long", "instruct", "instruct"]


@pytest.mark.usefixtures("_small")
def test_a_stage_begins_with_another_runs_weights(folder, tmp_path, capsys):
    shutil.copy(folder / "tokenizer.model", tmp_path)
    run = Run(tmp_path, begin_with=folder / "instruct")
    begun = dict(stage._start(run, "pretrain")[0].named_parameters())
    wanted = weights(folder / "instruct")
    assert all(torch.equal(parameter, wanted[name]) for name, parameter in begun.items())
    here = ["pretrain", "--folder", str(tmp_path), "--begin-with", str(folder / "instruct")]
    other = tmp_path / "tokenizer.model"
    other.write_bytes(Tokenizer(other).model.replace(b"<unused98>", b"<unused9x>"))
    assert main(here) == 2
    assert "has other words than those in" in capsys.readouterr().err


def test_a_beginning_of_another_size_is_refused(folder, tmp_path, capsys):
    """The recipe's nano is larger than the one of the run."""
    shutil.copy(folder / "tokenizer.model", tmp_path)
    here = ["--folder", str(tmp_path), "--begin-with", str(folder / "pretrain")]
    assert main(["instruct", *here]) == 2
    assert "is of another size than nano" in capsys.readouterr().err


@pytest.mark.usefixtures("_small")
def test_branches_begin_quietly(folder):
    model, _ = stage._start(Run(folder), "encoder")
    for block in model.language_model.layers:
        for norm in (block.post_attention_layernorm, block.post_feedforward_layernorm):
            assert norm.weight.tolist() == pytest.approx([-0.6] * 24)
        assert (block.input_layernorm.weight == 0).all()


@pytest.mark.usefixtures("_small")
def test_the_evaluation_and_the_card_tell_of_the_result(folder, tmp_path, capsys):
    scores, target = tmp_path / "scores.json", folder / "nano-it"
    tasks = ["--tasks", "colour", "wide", "tool", "--items", "2"]
    assert evaluate.main([str(target), *tasks, "--json", str(scores)]) == 0
    found = json.loads(scores.read_text())
    found["prose"] = {"bits a byte": {"model": 2.5, "gzip": 3.25}, "nats by position": {}}
    found["speed"] = {"threads": 2, "seconds to the first token": 0.25, "tokens a second": 101.4}
    scores.write_text(json.dumps(found))
    here = ["--folder", str(folder), "--target", str(target)]
    here += ["--note", "Half of the steps had other words.", "--scores", str(scores)]
    assert card.main(["instruct", *here]) == 0
    told = (target / "README.md").read_text()
    assert [s["task"] for s in found["scores"]] == ["colour", "wide", "wide with crops", "tool"]
    for each in found["scores"]:
        assert f"| {each['task']} | {each['right'] / 2:.1%} |" in told
    assert "\nHalf of the steps had other words.\n" in told
    assert "model 2.50, gzip 3.25" in told
    assert "0.250 s to the first token of an answer about a picture, then 101 tokens" in told
    assert "| a picture | 36 x 36 pixels, in 9 soft tokens |" in told
    numbers = json.loads((target / "training.json").read_text())
    assert numbers["scores"] == found
    assert list(numbers["stages"]) == list(FEW)
    for name, each in FEW.items():
        log = [json.loads(x) for x in (folder / f"{name}.run/log.jsonl").read_text().splitlines()]
        assert [line["step"] for line in log] == list(range(5))
        losses = numbers["stages"][name]["loss at"]
        assert losses["0%"] == round(log[0]["loss"], 3)
        assert losses["100%"] == round(log[-1]["loss"], 3)
        assert f"| {name} | 5 | {each.rows} |" in told
    here = ["--folder", str(folder), "--target", str(folder / "nano-pt")]
    assert card.main(["pretrain", *here]) == 0
    told = (folder / "nano-pt" / "README.md").read_text()
    assert told.startswith("# nano-pt\n")
    assert "| instruct |" not in told
    assert card.main(["instruct", "--folder", str(target), "--target", str(target)]) == 2
    assert "was stage 'encoder' trained there?" in capsys.readouterr().err


@pytest.mark.usefixtures("_small")
def test_a_card_counts_the_tokens_of_long_rows_too(tmp_path):
    """Every third step reads one row of 2,048 in place of 2 of 192."""
    shutil.copy(DATA / "tokenizer.model", tmp_path)
    line = json.dumps({"loss": 1.0, "seconds": 60.0}) + "\n"
    for name in FEW:
        (tmp_path / f"{name}.run").mkdir()
        (tmp_path / f"{name}.run" / "log.jsonl").write_text(3000 * line)
    found = [each["tokens, about"] for each in training(Run(tmp_path), "instruct").values()]
    long = 2000 * 2 * 192 + 1000 * 2048
    wanted = (3000 * 2 * 9, 3000 * 2 * 192, long, long)
    assert found == [f"{tokens / 1e6:.1f} million" for tokens in wanted]


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("missing", ["model.safetensors", "config.json"])
def test_a_stage_without_all_its_files_is_not_done(missing, folder, tmp_path, capsys):
    """A run that was killed while it saved: the stage is not passed over, and the next says why."""
    here = copied_until("encoder", folder, tmp_path)
    shutil.copytree(folder / "encoder.run", tmp_path / "encoder.run")
    (tmp_path / "encoder" / missing).unlink()
    assert main(["induction", *here]) == 2
    assert "no finished stage 'encoder'" in capsys.readouterr().err
    assert main(["encoder", *here]) == 0  # from the state that the run left
    before, after = weights(folder / "encoder"), weights(tmp_path / "encoder")
    assert all(torch.equal(before[name], after[name]) for name in before)
