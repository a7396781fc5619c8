"""The checks on parity accept what is right, however written, and name each slip."""

import re

import pytest
import torch
from torch import Tensor

from gemma3_edu import PRESETS, Batch, Gemma3
from gemma3_edu.lessons.checks.parity import check_first_divergence
from gemma3_edu.lessons.checks.planted import PATIENT_BLOCK, check_culprit, check_finding, patient
from gemma3_edu.verify.verify import relative_error

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


@pytest.mark.parametrize("answer", [by_package, by_loops, by_nonzero])
def test_right_first_divergence(answer):
    check_first_divergence(answer)


def ratio(ours: Tensor, theirs: Tensor) -> Tensor:
    return (ours - theirs).norm(dim=-1) / theirs.norm(dim=-1)


def with_errors(errors, *, order=list, pick=lambda bad: int(bad.any(0).int().argmax())):
    """An answer from how errors (B T) are measured, stages ordered, and a position picked."""

    def answer(ours, theirs, limit):
        for name in order(ours):
            bad = errors(ours[name], theirs[name], limit)
            if bad.any():
                return name, pick(bad)
        return None

    return answer


def right(ours: Tensor, theirs: Tensor, limit: float) -> Tensor:
    return ~(ratio(ours, theirs) <= limit)


def nan_blind(ours: Tensor, theirs: Tensor, limit: float) -> Tensor:
    return ratio(ours, theirs) > limit


def absolute(ours: Tensor, theirs: Tensor, limit: float) -> Tensor:
    return ~((ours - theirs).norm(dim=-1) <= limit)


def averaged(ours: Tensor, theirs: Tensor, limit: float) -> Tensor:
    return (~(ratio(ours, theirs).mean() <= limit)).expand(ours.shape[:2])


def beside_the_stage(ours: Tensor, theirs: Tensor, limit: float) -> Tensor:
    return ~((ours - theirs).norm(dim=-1) / theirs.norm() <= limit)


def worst_stage(ours, theirs, limit):
    errors = {name: ratio(ours[name], theirs[name]).nan_to_num(nan=9e9) for name in ours}
    name = max(errors, key=lambda name: errors[name].max())
    return with_errors(right)({name: ours[name]}, theirs, limit)


def worst_position(ours, theirs, limit):
    found = with_errors(right)(ours, theirs, limit)
    if found is None:
        return None
    errors = ratio(ours[found[0]], theirs[found[0]]).nan_to_num(nan=9e9)
    return found[0], int(errors.amax(0).argmax())


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        ("NaN went unnoticed", with_errors(nan_blind)),
        ("stages in the order of the alphabet", with_errors(right, order=sorted)),
        ("the worst stage, not the first", worst_stage),
        ("compared the plain difference with the limit", with_errors(absolute)),
        ("averaged over the columns", with_errors(averaged)),
        ("divided by the length of the whole stage", with_errors(beside_the_stage)),
        (
            "counted through both rows",
            with_errors(right, pick=lambda bad: int(bad.flatten().int().argmax())),
        ),
        ("the worst position, not the first", worst_position),
        (
            "looked at row 0 only, or took the first row with a difference",
            with_errors(right, pick=lambda bad: int(bad[bad.any(1)][0].int().argmax())),
        ),
        (
            "expected (stage, position), a str and an int, or None; got 'embeddings'",
            lambda ours, theirs, limit: "embeddings",
        ),
        (
            "expected (stage, position), a str and an int, or None; got ('logits', tensor(3))",
            lambda ours, theirs, limit: ("logits", torch.tensor(3)),
        ),
        (
            "found None where a short column of the embeddings differs; expected ('embeddings', 3)",
            lambda ours, theirs, limit: None,
        ),
        (
            "found ('embeddings', 0) where both are equal but for rounding; expected None",
            with_errors(lambda ours, theirs, limit: (ours != theirs).any(-1)),
        ),
        # no slip of its own: deaf to the logits
        (
            "found None where only the logits differ; expected ('logits', 0)",
            with_errors(right, order=lambda ours: list(ours)[:-1]),
        ),
    ],
)
def test_wrong_first_divergence(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}"):
        check_first_divergence(answer)


# check_culprit


def recorded(model, batch, keep=lambda name: True):
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


def by_output_alone(healthy, patient, batch):
    for (name, _, y), (_, _, b) in zip(
        recorded(healthy, batch), recorded(patient, batch), strict=True
    ):
        if not same(y, b):
            return name
    return None


def blocks_only(healthy, patient, batch):
    found = by_finishing(healthy, patient, batch)
    return found and ".".join(found.split(".")[:3])


@pytest.mark.parametrize("answer", [by_finishing, by_descending])
def test_right_culprit(answer):
    check_culprit(answer)


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "'language_model.layers.3' holds the mistake, and so does a smaller module: go inside",
            blocks_only,
        ),
        (
            "accused 'language_model.norm' in a pair whose weights and outputs are equal",
            lambda h, p, b: "language_model.norm",
        ),
        (
            "found nothing, although language_model.layers.3.self_attn.q_norm gives another",
            lambda h, p, b: None,
        ),
        (
            "language_model.layers.3.self_attn.o_proj has another input already: compare inputs"
            " too; the models part at language_model.layers.3.self_attn.q_norm",
            lambda h, p, b: _instead(h, p, b, ".layers.3.", ".q_norm", ".o_proj"),
        ),
        (
            "language_model.layers.2.self_attn.o_proj has another input already: compare inputs",
            by_output_alone,
        ),
        (
            "language_model.layers.3.self_attn.q_proj gives the same in both models",
            lambda h, p, b: _instead(h, p, b, ".layers.3.", ".q_norm", ".q_proj"),
        ),
        (
            "language_model.layers.4.self_attn.o_proj has another input already",
            lambda h, p, b: _instead(h, p, b, ".layers.1.", "1.self_attn.o", "4.self_attn.o"),
        ),
        (
            "'layers.3.self_attn.q_norm' is no module that runs; named_modules() gives the names",
            lambda h, p, b: (by_finishing(h, p, b) or "").removeprefix("language_model.") or None,
        ),
        ("expected a name, got tuple", lambda h, p, b: by_finishing(h, p, b) and ("a", "b")),
    ],
)
def test_wrong_culprit(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}"):
        check_culprit(answer)


def _instead(healthy, sick, batch, of, old, new):
    found = by_finishing(healthy, sick, batch)
    return found.replace(old, new) if found and of in f"{found}." else found


# the patient


def test_right_finding():
    check_finding(lambda: (f"block {PATIENT_BLOCK}", 64, "W + 1"))


@pytest.mark.parametrize(
    ("sentence", "finding"),
    [
        ("expected (stage, position, mistake), got None", None),
        ("stage 8: expected one of embeddings, block 0", (8, 64, "W + 1")),
        ("stage 'block 7': both models agree there", ("block 7", 64, "W + 1")),
        ("stage 'logits': it differs, but only since", ("logits", 64, "W + 1")),
        ("position 63: both agree there; a text as long", ("block 8", 63, "W - 1")),
        ("position 90: not the first that differs", ("block 8", 90, "W + 1")),
        ("W - 1 would show one position earlier", ("block 8", 64, "W - 1")),
        ("window ignored begins at the same position", ("block 8", 64, "window ignored")),
        ("mistake 'SiLU': it does not begin at position 64", ("block 8", 64, "SiLU")),
    ],
)
def test_wrong_findings(sentence, finding):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}"):
        check_finding(lambda: finding)


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
        assert torch.equal(well[f"language_model.layers.{n}"], ill[f"language_model.layers.{n}"])
    name = f"language_model.layers.{PATIENT_BLOCK}"
    differs = (well[name] - ill[name]).norm(dim=-1)[0] / well[name].norm(dim=-1)[0] > 1e-5
    assert differs.nonzero()[0].item() == model.config.text.sliding_window
    short = Batch.from_ids(ids[:, :64], model.config)
    assert torch.equal(model(short), sick(short))


@pytest.mark.parametrize("check", [check_first_divergence, check_culprit, check_finding])
def test_a_stub_is_let_through(check):
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
