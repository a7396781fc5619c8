"""The recipe runs from nothing to two checkpoints, in slices, and each stage does what it says."""

import dataclasses
import itertools
import json
import shutil

import pytest
import torch

from gemma3_edu import Tokenizer, load
from gemma3_edu.model.attention import attend_fused
from gemma3_edu.study.cost import parameters
from gemma3_edu.train import card, recipe, stage
from gemma3_edu.train.batches import of_conversations
from gemma3_edu.train.loop import Plan
from gemma3_edu.train.losses import next_token_loss
from gemma3_edu.train.nano import main
from gemma3_edu.train.recipe import Run, Stage, nano_config
from tests.tokenizers import small_tokenizer

PLAN = Plan(steps=5, learning_rate=1e-3, warmup=2)
FEW = {
    name: Stage(PLAN, 2, 300 if name in ("long", "instruct") else 120)
    for name in ("encoder", "pretrain", "long", "instruct")
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All stages of a very small nano, in one go, with a teacher for the last."""
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        folder = tmp_path_factory.mktemp("run")
        (folder / "tokenizer.model").write_bytes(small_tokenizer().model)
        here = ["--folder", str(folder)]
        assert main(["encoder", "pretrain", "long", *here]) == 0
        assert main(["instruct", "export", *here, "--teacher", str(folder / "long")]) == 0
    return folder


def small(patch) -> None:
    """Sizes and stages for a test's seconds; depth and pattern stay."""
    patch.setitem(recipe.SIZES, "nano", (24, 40, 12, 4, 2, 8, 16, 2))
    for name, few in FEW.items():
        patch.setitem(recipe.STAGES, name, few)


def weights(path) -> dict[str, torch.Tensor]:
    return dict(load(path, dtype=torch.float32)[0].named_parameters())


def test_the_encoder_learns_first_and_is_then_frozen(folder):
    stages = [weights(folder / name) for name in FEW]
    encoder = [name for name in stages[0] if name.startswith("vision.encoder")]
    for before, after in itertools.pairwise(stages):
        assert all(torch.equal(before[name], after[name]) for name in encoder)
        assert not torch.equal(
            before["vision.projector.mm_soft_emb_norm.weight"],
            after["vision.projector.mm_soft_emb_norm.weight"],
        )
        embedding = "language_model.embed_tokens.weight"
        assert not torch.equal(before[embedding], after[embedding])


def test_the_context_is_stretched_after_pretraining(folder):
    ropes = {name: load(folder / name)[0].config.text.rope_global for name in FEW}
    assert (ropes["pretrain"].theta, ropes["pretrain"].factor) == (1e4, 1)
    assert (ropes["long"].theta, ropes["long"].factor) == (1e6, 8)
    assert ropes["instruct"] == ropes["long"]


def test_what_ships_is_bfloat16_and_complete(folder):
    for name, last in [("nano-pt", "long"), ("nano-it", "instruct")]:
        model, processor = load(folder / name)
        assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
        assert processor is not None
        trained = weights(folder / last)
        assert all(torch.equal(p, trained[n].bfloat16()) for n, p in model.named_parameters())
        assert {"tokenizer.json", "preprocessor_config.json", "generation_config.json"} <= {
            file.name for file in (folder / name).iterdir()
        }


def test_every_step_is_logged(folder):
    for name in FEW:
        lines = (folder / f"{name}.run" / "log.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == list(range(5))


def test_slices_give_the_weights_of_one_run(folder, tmp_path, monkeypatch):
    small(monkeypatch)
    (tmp_path / "tokenizer.model").write_bytes(small_tokenizer().model)
    here = ["encoder", "--folder", str(tmp_path)]
    assert main([*here, "--seconds", "-1"]) == 3
    assert not (tmp_path / "encoder").exists()
    assert main(here) == 0
    assert main(here) == 0  # done: nothing is trained again
    whole, sliced = weights(folder / "encoder"), weights(tmp_path / "encoder")
    assert all(torch.equal(whole[name], sliced[name]) for name in whole)


def test_stages_need_those_before(tmp_path, capsys):
    here = ["--folder", str(tmp_path)]
    assert main(["encoder", *here]) == 2
    assert "run the stage `tokenizer` first" in capsys.readouterr().err
    (tmp_path / "tokenizer.model").write_bytes(small_tokenizer().model)
    assert main(["pretrain", *here]) == 2
    assert "no finished stage 'encoder'" in capsys.readouterr().err
    assert main(["export", *here]) == 2


def test_nano_is_gemma_3_and_fits_the_package():
    config = nano_config(small_tokenizer())
    text = config.text
    assert text.num_hidden_layers >= 12
    assert [i for i, t in enumerate(text.layer_types) if t.name == "GLOBAL"] == [5, 11]
    assert text.num_attention_heads * text.head_dim != text.hidden_size
    assert text.num_attention_heads > text.num_key_value_heads
    padded = dataclasses.replace(text, vocab_size=3072 + 64)
    assert 2 * 2 * parameters(dataclasses.replace(config, text=padded)) < 23.2e6  # two, bfloat16


def test_scale_shortens_a_plan_and_keeps_it_whole(tmp_path):
    assert Run(tmp_path, scale=0.1).plan("pretrain").steps == 400
    assert Run(tmp_path, scale=1e-9).plan("pretrain").steps == 2


def copied_until(stage: str, folder, target) -> list[str]:
    """A new run that goes on after `stage` of another; what names it on the command line."""
    shutil.copy(folder / "tokenizer.model", target)
    shutil.copytree(folder / stage, target / stage)
    return ["--folder", str(target)]


def test_a_teacher_changes_what_is_learnt(folder, tmp_path, monkeypatch):
    small(monkeypatch)
    assert main(["instruct", *copied_until("long", folder, tmp_path)]) == 0
    alone, taught = weights(tmp_path / "instruct"), weights(folder / "instruct")
    assert not all(torch.equal(alone[name], taught[name]) for name in alone)


def test_both_prompts_of_long_documents_are_learnt(folder, tmp_path, monkeypatch):
    small(monkeypatch)
    seen = []

    def watched(examples, processor, *, pan_and_scan):
        seen.append(pan_and_scan)
        return of_conversations(examples, processor, pan_and_scan=pan_and_scan)

    monkeypatch.setattr(stage, "of_conversations", watched)
    assert main(["instruct", *copied_until("long", folder, tmp_path)]) == 0
    assert seen == [step % 2 > 0 for step in range(5) for _ in range(2)]  # two parts a step


def test_what_hastens_a_step_changes_no_loss(folder, monkeypatch):
    """Attention written out, and the head for counted columns alone, beside the plain model."""
    small(monkeypatch)
    run = Run(folder)
    model, processor = stage._start(run, "instruct")
    lesson = of_conversations(
        [run.mixture("instruct", processor.tokenizer).example(i) for i in range(4)], processor
    )
    plain = next_token_loss(model(lesson.batch), lesson.batch.tokens, lesson.counted)
    stage._hasten(model, run, "instruct")
    logits, wanted = stage._guess(model, lesson)
    assert model.language_model.layers[0].self_attn.attend is not attend_fused
    torch.testing.assert_close(torch.nn.functional.cross_entropy(logits, wanted), plain)


def test_the_card_tells_what_the_logs_and_the_scores_say(folder, monkeypatch, capsys):
    small(monkeypatch)
    target = folder / "nano-it"
    found = {"task": "shape", "items": 100, "right": 98, "stopped": 100}
    prose = {"bits a byte": {"model": 2.5, "gzip": 3.25}, "nats by position": {"0 to 15": 3.5}}
    scores = {"split": "test", "scores": [found], "prose": prose}
    (folder / "scores.json").write_text(json.dumps(scores))
    here = ["--folder", str(folder), "--target", str(target)]
    here += ["--note", "Half of the steps had other words."]
    assert card.main(["instruct", *here, "--scores", str(folder / "scores.json")]) == 0
    told = (target / "README.md").read_text()
    assert "| shape | 98.0% | 93.0% to 99.4% | 100.0% | 100 |" in told
    assert "model 2.50, gzip 3.25" in told
    assert "\nHalf of the steps had other words.\n" in told
    numbers = json.loads((target / "training.json").read_text())
    assert list(numbers["stages"]) == list(FEW)
    log = [json.loads(line) for line in (folder / "long.run/log.jsonl").read_text().splitlines()]
    assert numbers["stages"]["long"]["loss at"]["0%"] == round(log[0]["loss"], 3)
    assert numbers["stages"]["long"]["loss at"]["100%"] == round(log[-1]["loss"], 3)
    assert f"| long | 5 | {FEW['long'].batch_size} |" in told
    assert card.main(["instruct", "--folder", str(target), "--target", str(target)]) == 2
    assert "was stage 'encoder' trained there?" in capsys.readouterr().err


def test_a_stage_begins_with_another_runs_weights(folder, tmp_path, monkeypatch, capsys):
    small(monkeypatch)
    shutil.copy(folder / "tokenizer.model", tmp_path)
    run = Run(tmp_path, begin_with=folder / "long")
    begun = dict(stage._start(run, "pretrain")[0].named_parameters())
    wanted = weights(folder / "long")
    assert all(torch.equal(parameter, wanted[name]) for name, parameter in begun.items())
    here = ["pretrain", "--folder", str(tmp_path), "--begin-with", str(folder / "long")]
    assert main([*here, "--size", "teacher"]) == 2
    assert "is of another size than teacher" in capsys.readouterr().err
    other = tmp_path / "tokenizer.model"
    other.write_bytes(Tokenizer(other).model.replace(b"<unused98>", b"<unused9x>"))
    assert main(here) == 2
    assert "has other words than those in" in capsys.readouterr().err


def test_branches_begin_quietly(folder, monkeypatch):
    small(monkeypatch)
    model, _ = stage._start(Run(folder), "encoder")
    for block in model.language_model.layers:
        for norm in (block.post_attention_layernorm, block.post_feedforward_layernorm):
            assert norm.weight.tolist() == pytest.approx([-0.9] * 24)
    assert (model.language_model.layers[0].input_layernorm.weight == 0).all()
