"""The checks on parity accept what is right, however written, and name what went wrong."""

import pytest
import torch
from torch import Tensor

from gemma3_edu import PRESETS, Batch, Gemma3
from gemma3_edu.lessons.checks.parity import (
    PATIENT_BLOCK,
    a_port,
    check_culprit,
    check_finding,
    check_first_divergence,
    patient,
)
from gemma3_edu.verify import relative_error
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


# check_culprit


def recorded(model, batch):
    """(name, input, output) of all modules, in the order in which they finish."""
    found = []

    def hook(name):
        def kept(module, given, output):
            found.append((name, given[0], output))

        return kept

    handles = [module.register_forward_hook(hook(name)) for name, module in model.named_modules()]
    model(batch)
    for handle in handles:
        handle.remove()
    return found


def same(a, b):
    return not isinstance(a, Tensor) or torch.allclose(a.float(), b.float(), atol=1e-6)


def by_finishing(healthy, patient, batch):
    """Whatever finishes first is innermost."""
    for (name, x, y), (_, a, b) in zip(
        recorded(healthy, batch), recorded(patient, batch), strict=True
    ):
        if same(x, a) and not same(y, b):
            return name
    return None


def by_descending(healthy, patient, batch):
    """Begin at the top, and go into the first part that is to blame until none is."""
    left = {name: (x, y) for name, x, y in recorded(healthy, batch)}
    right = {name: (x, y) for name, x, y in recorded(patient, batch)}

    def to_blame(name):
        (x, y), (a, b) = left[name], right[name]
        return same(x, a) and not same(y, b)

    name = ""
    while True:
        inside = [n for n in left if n.startswith(f"{name}." if name else "") and n != name]
        blamed = [n for n in inside if to_blame(n)]
        if not blamed:
            return name or None
        name = min(blamed, key=lambda n: list(left).index(n))


@pytest.mark.parametrize("answer", [by_finishing, by_descending])
def test_right_culprit(answer):
    check_culprit(answer)


def instead(old: str, new: str):
    """The right answer with a part of its name exchanged."""

    def answer(*pair):
        found = by_finishing(*pair)
        return found and found.replace(old, new)

    return answer


BLOCK = "language_model.layers"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (
            f"'{BLOCK}.3' holds the mistake, and so does a smaller module: go inside (pair 2 of 9)",
            instead(".self_attn.q_norm", ""),
        ),
        (
            "accused 'language_model.norm' in a pair whose weights and outputs are equal (pair 1",
            lambda *pair: "language_model.norm",
        ),
        (f"found nothing, although {BLOCK}.3.self_attn.q_norm gives another", lambda *pair: None),
        (
            f"{BLOCK}.3.self_attn.o_proj has another input already: compare inputs too; the models"
            f" part at {BLOCK}.3.self_attn.q_norm",
            instead(".q_norm", ".o_proj"),
        ),
        (
            f"{BLOCK}.2.self_attn.o_proj has another input already: compare",
            instead("2.self_attn", "2.self_attn.o_proj"),
        ),
        (
            f"{BLOCK}.3.self_attn.q_proj gives the same in both models",
            instead(".q_norm", ".q_proj"),
        ),
        (
            f"{BLOCK}.4.self_attn.o_proj has another input already: compare inputs too; the models"
            f" part at {BLOCK}.1.self_attn.o_proj (pair 9 of 9)",
            instead(".1.self_attn.o_proj", ".4.self_attn.o_proj"),
        ),
        (
            "'layers.3.self_attn.q_norm' is no module that runs; named_modules() gives the names",
            instead("language_model.", ""),
        ),
        ("got ('a', 'b'), expected the name of a module, or None", lambda *pair: ("a", "b")),
    ],
)
def test_wrong_culprit(words: str, answer):
    assert message(check_culprit, answer).startswith(words)


# check_finding


@pytest.mark.parametrize("mistake", ["W + 1", "window W + 1"])
def test_right_finding(mistake: str):
    check_finding(lambda: (f"block {PATIENT_BLOCK}", 64, mistake))


@pytest.mark.parametrize(
    ("words", "finding"),
    [
        ("expected (stage, position, mistake), got None", None),
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
    well, ill = ({n: y for n, _, y in recorded(m, batch)} for m in (model, sick))
    for n in range(PATIENT_BLOCK):
        assert torch.equal(well[f"{BLOCK}.{n}"], ill[f"{BLOCK}.{n}"])
    name = f"{BLOCK}.{PATIENT_BLOCK}"
    differs = (well[name] - ill[name]).norm(dim=-1)[0] / well[name].norm(dim=-1)[0] > 1e-5
    assert differs.nonzero()[0].item() == model.config.text.sliding_window
    short = Batch.from_ids(ids[:, :64], model.config)
    assert torch.equal(model(short), sick(short))


def test_the_port_of_the_opening_turns_local_layers_by_the_base_of_global_ones():
    model = Gemma3(PRESETS["nano"]).eval()
    ours, theirs = a_port(model).config.text, model.config.text
    assert ours.rope_global == theirs.rope_global
    assert ours.rope_local.theta == theirs.rope_global.theta != theirs.rope_local.theta
    assert ours.rope_local.factor == theirs.rope_local.factor == 1
