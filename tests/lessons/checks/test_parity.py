"""The checks on parity accept what is right, however written, and name what went wrong."""

import copy

import pytest
import torch

from gemma3_edu import PRESETS, Batch, Gemma3, capture, load
from gemma3_edu.lessons.checks.parity import (
    PATIENT_BLOCK,
    a_port,
    check_finding,
    check_first_divergence,
    eight_wrong_copies,
    patient,
)
from gemma3_edu.verify import first_divergence, relative_error
from tests.lessons.checks.messages import message

# check_first_divergence


def by_package(ours, theirs, limit):
    """With `relative_error`, which takes the worst column, so columns go in one by one."""
    for name, x in ours.items():
        for position in range(x.shape[1]):
            column = slice(position, position + 1)
            if not relative_error(x[:, column], theirs[name][:, column]) <= limit:
                return name, position
    return None


def by_loops(ours, theirs, limit):
    for name in ours:
        for position in range(ours[name].shape[1]):
            for row in range(ours[name].shape[0]):
                a, b = ours[name][row, position].tolist(), theirs[name][row, position].tolist()
                far = sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5
                if not far <= limit * sum(y * y for y in b) ** 0.5:
                    return name, position
    return None


def by_nonzero(ours, theirs, limit):
    for name, x in ours.items():
        far = torch.linalg.vector_norm(x - theirs[name], dim=2)
        fine = far <= limit * torch.linalg.vector_norm(theirs[name], dim=2)
        places = (~fine).nonzero()[:, 1]
        if len(places):
            return name, min(places.tolist())
    return None


def by_sums(ours, theirs, limit):
    """Wrong: the sum of a column's numbers is not its length."""
    for name, x in ours.items():
        far = (x - theirs[name]).abs().sum(-1) / theirs[name].abs().sum(-1)
        if not (far <= limit).all():
            return name, int((~(far <= limit)).any(0).nonzero()[0])
    return None


@pytest.mark.parametrize("answer", [by_package, by_loops, by_nonzero])
def test_right_first_divergence(answer):
    check_first_divergence(answer)


PAIR = "expected (stage, position), a str and an int, or None (both are equal but for rounding)"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (f"got str, {PAIR}", lambda *case: "embeddings"),
        (f"got str, Tensor, {PAIR}", lambda *case: ("logits", torch.tensor(3))),
        (
            "got 'none', expected 'embeddings, position 3' (a short column of the embeddings"
            " differs)",
            lambda *case: None,
        ),
        (
            "got 'none', expected 'logits, position 0' (only the logits differ)",
            lambda ours, *rest: by_nonzero(dict(list(ours.items())[:-1]), *rest),
        ),
        (
            "got 'none', expected 'block 2, position 3' (a column differs by 1.5e-5, in one"
            " element)",
            by_sums,
        ),
    ],
)
def test_wrong_first_divergence_without_a_name(words: str, answer):
    assert message(check_first_divergence, answer) == words


# check_finding


@pytest.mark.parametrize("mistake", ["W + 1", "window W + 1"])
def test_right_finding(mistake: str):
    check_finding(lambda: (f"block {PATIENT_BLOCK}", 64, mistake))


@pytest.mark.parametrize(
    ("words", "finding"),
    [
        ("expected a tuple (stage, position, mistake), got None", None),
        ("expected a tuple (stage, position, mistake), got", ["block 8", 64, "W + 1"]),
        ("stage 8: expected one of embeddings, block 0", (8, 64, "W + 1")),
        ("stage 'block 7': both models agree there", ("block 7", 64, "W + 1")),
        ("stage 'logits': it differs, but only since", ("logits", 64, "W + 1")),
        ("position 64.5: expected an int", ("block 8", 64.5, "W + 1")),
        ("position 63: both agree there; a text as long", ("block 8", 63, "W - 1")),
        ("position 90: not the first that differs in stage 'block 8'", ("block 8", 90, "W + 1")),
        ("W - 1 would show one position earlier", ("block 8", 64, "W - 1")),
        ("W - 1 would show one position earlier", ("block 8", 64, "window W - 1")),
        ("an ignored window begins at the same position", ("block 8", 64, "window ignored")),
        ("SiLU would show at position 0 already", ("block 8", 64, "SiLU for GELU")),
        ("a missing query scale would show at", ("block 8", 64, "query scale missing")),
        ("a wrong base would show at position 1 already", ("block 8", 64, "one base")),
        ("mistake 'RoPE': expected one of window ignored, window W", ("block 8", 64, "RoPE")),
        ("mistake ['W + 1']: expected one of", ("block 8", 64, ["W + 1"])),
    ],
)
def test_wrong_findings(words: str, finding):
    assert message(check_finding, lambda: finding).startswith(words)


def test_the_patient_parts_where_the_check_says():
    """On any weights, since it is a matter of masks: here on random ones in nano's shape."""
    g = torch.Generator().manual_seed(1)
    model = Gemma3(PRESETS["nano"]).eval().requires_grad_(False)
    for weight in model.parameters():
        weight.normal_(0.0, 0.2 if weight.ndim == 1 else weight.shape[-1] ** -0.5, generator=g)
    ids = torch.randint(5, 3000, (1, 70), generator=g)
    batch = Batch.from_ids(ids, model.config)
    sick = patient(model)
    with capture(model, "language_model.layers.*[0-9]") as well:
        model(batch)
    with capture(sick, "language_model.layers.*[0-9]") as ill:
        sick(batch)
    for n in range(PATIENT_BLOCK):
        name = f"language_model.layers.{n}"
        assert torch.equal(well[name][0], ill[name][0])
    name = f"language_model.layers.{PATIENT_BLOCK}"
    differs = (well[name][0] - ill[name][0]).norm(dim=-1)[0] / well[name][0].norm(dim=-1)[0] > 1e-5
    assert differs.nonzero()[0].item() == model.config.text.sliding_window
    short = Batch.from_ids(ids[:, :64], model.config)
    assert torch.equal(model(short), sick(short))


# The first stage that tells, and its first position, in nano's shape with W = 64.
CORNERS = {
    "no QK-norm": ("language_model.layers.0", 1),
    "one base": ("language_model.layers.0", 1),
    "factor 8 missing": ("language_model.layers.5", 1),
    "window ignored": ("language_model.layers.0", 64),
    "window W + 1": ("language_model.layers.0", 64),
    "SiLU for GELU": ("language_model.layers.0", 0),
    "rounded scale": ("language_model.embed_tokens", 0),
    "soft cap": ("logits", 0),
}


def test_eight_copies_part_where_the_lesson_says():
    model, _ = load("nano-it")
    ids = torch.randint(5, 3000, (2, 70), generator=torch.Generator().manual_seed(1))
    batch = Batch.from_ids(ids, model.config)
    before = copy.deepcopy(model.state_dict())

    @torch.no_grad()
    def stages(run):
        with (
            capture(run, "language_model.embed_tokens") as table,
            capture(run, "language_model.layers.*[0-9]") as blocks,
        ):
            logits = run(batch)
        return {name: seen[0] for name, seen in (table | blocks).items()} | {"logits": logits}

    right, copies = stages(model), eight_wrong_copies(model)
    assert {name: first_divergence(stages(wrong), right) for name, wrong in copies.items()} == (
        CORNERS
    )
    assert list(copies) == list(CORNERS)
    assert all(map(torch.equal, model.state_dict().values(), before.values()))
    assert first_divergence(stages(model), right) is None


def test_two_windows_differ_although_they_begin_at_the_same_place():
    copies = eight_wrong_copies(load("nano-it")[0])
    ids = torch.randint(5, 3000, (1, 70), generator=torch.Generator().manual_seed(1))
    batch = Batch.from_ids(ids, copies["one base"].config)
    with torch.no_grad():
        ignored, one_more = (copies[name](batch) for name in ("window ignored", "window W + 1"))
    # the token at 65 is the first that sees 66 keys in one and W + 1 in the other
    assert first_divergence({"logits": one_more}, {"logits": ignored}) == ("logits", 65)


def test_the_port_of_the_opening_turns_local_layers_by_the_base_of_global_ones():
    model = Gemma3(PRESETS["nano"]).eval()
    ours, theirs = a_port(model).config.text, model.config.text
    assert ours.rope_global == theirs.rope_global
    assert ours.rope_local.theta == theirs.rope_global.theta != theirs.rope_local.theta
    assert ours.rope_local.factor == theirs.rope_local.factor == 1
