"""Training stops and goes on without a trace, and refuses what would spoil a run."""

import itertools
import json
import signal
import subprocess
import sys

import pytest
import torch
from torch import nn

from gemma3_edu.train.loop import Plan, fit

PLAN = Plan(steps=12, rate=0.05, muon_rate=0.05, warmup=3)


def problem():
    """A small regression whose data is a function of the step's number; one matrix is Muon's."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 2))
    parameters = dict(net.named_parameters())
    parameters["net.layers.0.weight"] = parameters.pop("0.weight")

    def loss_of(step: int) -> torch.Tensor:
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        return (net(x) - x[:, :2] * x[:, 2:]).square().mean()

    return parameters, loss_of


def logged(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


class Killed(BaseException):
    """What no code expects."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never stopped: its weights and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    parameters, loss_of = problem()
    assert fit(parameters, loss_of, PLAN, folder)
    return parameters, folder


def check_the_same(parameters, folder, whole):
    for name, parameter in whole[0].items():
        assert torch.equal(parameter, parameters[name]), name
    parts, one = logged(folder), logged(whole[1])
    assert [(each["step"], each["loss"]) for each in parts] == [
        (each["step"], each["loss"]) for each in one
    ]
    assert [each["step"] for each in one] == list(range(12))
    seconds = [each["seconds"] for each in parts]
    assert seconds == sorted(seconds)  # they go on where the slice before stopped
    assert sorted(file.name for file in folder.iterdir()) == ["log.jsonl", "state.pt"]


@pytest.mark.parametrize("save_every", [0.0, 2.0])
def test_a_run_that_is_killed_again_and_again_ends_where_one_run_ends(
    save_every, whole, tmp_path, monkeypatch
):
    """Saved at every step, or seldom; by a clock on which a step takes a second."""
    clock, killed = itertools.count(), 0
    monkeypatch.setattr("gemma3_edu.train.loop.time.monotonic", lambda: next(clock) / 2)
    for _ in range(40):
        parameters, loss_of = problem()  # fresh weights: all that goes on comes from the state
        done = itertools.count(1)

        def kill(step: int, loss: float, done=done) -> None:
            if next(done) == 7:
                raise Killed

        try:
            assert fit(parameters, loss_of, PLAN, tmp_path, save_every=save_every, on_step=kill)
            break
        except Killed:
            with (tmp_path / "log.jsonl").open("a") as log:
                log.write('{"step": 99, "lo')  # as far as it came
                killed += 1
    assert killed >= 1
    check_the_same(parameters, tmp_path, whole)


def test_slices_end_where_one_run_ends(whole, tmp_path, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("gemma3_edu.train.loop.time.monotonic", lambda: next(clock) / 2)
    slices, finished = 0, False
    while not finished:
        parameters, loss_of = problem()
        finished = fit(parameters, loss_of, PLAN, tmp_path, seconds=4.0)
        slices += 1
    assert slices > 2
    check_the_same(parameters, tmp_path, whole)
    parameters, loss_of = problem()
    assert fit(parameters, loss_of, PLAN, tmp_path)  # done: nothing is trained again
    check_the_same(parameters, tmp_path, whole)


def test_a_state_is_written_whole_or_not_at_all(whole, tmp_path, monkeypatch):
    parameters, loss_of = problem()
    assert not fit(parameters, loss_of, PLAN, tmp_path, seconds=-1.0)
    before = (tmp_path / "state.pt").read_bytes()

    def die(state, path):
        path.write_bytes(b"half of it")
        raise Killed

    monkeypatch.setattr("gemma3_edu.train.loop.torch.save", die)
    with pytest.raises(Killed):
        fit(*problem(), PLAN, tmp_path)
    assert (tmp_path / "state.pt").read_bytes() == before
    monkeypatch.undo()
    parameters, loss_of = problem()
    assert fit(parameters, loss_of, PLAN, tmp_path)
    check_the_same(parameters, tmp_path, whole)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_keeps_the_state_from_before(number, tmp_path):
    parameters, loss_of = problem()
    assert not fit(parameters, loss_of, PLAN, tmp_path, seconds=-1.0)
    before = (tmp_path / "state.pt").read_bytes()
    with pytest.raises(ValueError, match=r"at step 0; lower rate=0\.05 or muon_rate=0\.05"):
        fit(parameters, lambda step: loss_of(step) * number, PLAN, tmp_path)
    assert (tmp_path / "state.pt").read_bytes() == before


def test_another_models_state_is_refused(tmp_path):
    parameters, loss_of = problem()
    fit(parameters, loss_of, PLAN, tmp_path)
    parameters.popitem()
    with pytest.raises(ValueError, match="holds other parameters"):
        fit(parameters, loss_of, PLAN, tmp_path)
    other = {name: nn.Parameter(torch.zeros(3)) for name in problem()[0]}
    with pytest.raises(ValueError, match="holds other parameters"):
        fit(other, loss_of, PLAN, tmp_path)


@pytest.mark.parametrize("damage", ["empty", "half", "text", "another thing"])
def test_a_damaged_state_is_named_and_stays(damage, tmp_path):
    parameters, loss_of = problem()
    fit(parameters, loss_of, PLAN, tmp_path)
    state = tmp_path / "state.pt"
    if damage == "another thing":
        torch.save([torch.zeros(3)], state)
    else:
        whole = state.read_bytes()
        state.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "text": b"no"}[damage])
    before = state.read_bytes()
    with pytest.raises(ValueError, match="is damaged, or no state of a training; remove it"):
        fit(parameters, loss_of, PLAN, tmp_path)
    assert state.read_bytes() == before


def test_rates_rise_stay_and_fall(tmp_path):
    """A gradient that never changes: Adam moves by its rate, Muon by 0.4 of its own."""
    parameters = {
        "gain": nn.Parameter(torch.zeros(3)),
        "layers.gain": nn.Parameter(torch.zeros(())),
        "x.layers.0.matrix": nn.Parameter(torch.zeros(2, 2)),
        "table": nn.Parameter(torch.zeros(2, 2)),
    }
    path = [[0.0] * 4]

    def note(step: int, loss: float) -> None:
        path.append([parameter.flatten()[0].item() for parameter in parameters.values()])

    plan = Plan(20, rate=0.1, muon_rate=0.3, warmup=4, flat=0.5, weight_decay=0.0)
    gradient = torch.tensor([[1.0, 0.2], [0.2, 1.0]])

    def loss_of(step: int) -> torch.Tensor:
        return sum(p.sum() if p.ndim < 2 else (p * gradient).sum() for p in parameters.values())

    fit(parameters, loss_of, plan, tmp_path, on_step=note)
    shares = [0.25, 0.5, 0.75] + [1.0] * 7 + [1 - i / 10 for i in range(10)]
    assert [plan.share(step) for step in range(20)] == pytest.approx(shares)
    for share, (before, after) in zip(shares, itertools.pairwise(path), strict=True):
        gain, other, matrix, table = (a - b for a, b in zip(before, after, strict=True))
        assert gain == pytest.approx(0.1 * share, rel=1e-3)
        assert other == pytest.approx(0.1 * share, rel=1e-3)
        assert table == pytest.approx(0.1 * share, rel=1e-3)
        assert 0.6 < matrix / (0.3 * share * 0.4 * 2**0.5) < 1.3


@pytest.mark.parametrize("average", [0.0, 0.5, 0.99])
def test_at_the_end_the_weights_are_their_running_mean(average, tmp_path):
    parameters, loss_of = problem()
    means = {name: p.detach().clone() for name, p in parameters.items()}

    def note(step: int, loss: float) -> None:
        keep = min(average, step / (step + 10))  # how much of the mean a step leaves as it is
        for name, parameter in parameters.items():
            means[name] = keep * means[name] + (1 - keep) * parameter.detach()

    plan = Plan(steps=30, rate=0.05, muon_rate=0.05, warmup=3, average=average)
    assert fit(parameters, loss_of, plan, tmp_path, on_step=note)
    for name, parameter in parameters.items():
        torch.testing.assert_close(parameter.detach(), means[name])


def test_a_step_is_clipped(tmp_path):
    """Without it a single wild batch would move all that Adam remembers."""
    weight, seen = nn.Parameter(torch.zeros(2)), []

    def note(step: int, loss: float) -> None:
        seen.append(weight.grad.norm().item())

    plan = Plan(steps=3, rate=0.1, warmup=0)
    fit({"w": weight}, lambda step: (weight * 10**step).sum(), plan, tmp_path, on_step=note)
    assert seen == pytest.approx([1.0, 1.0, 1.0], rel=1e-3)


def test_a_parameter_that_a_step_leaves_out_stays_as_it_is(tmp_path):
    """As the projector does in a batch without pictures."""
    parameters = {"used": nn.Parameter(torch.ones(2)), "left out": nn.Parameter(torch.ones(2))}
    fit(parameters, lambda step: parameters["used"].square().sum(), PLAN, tmp_path)
    assert (parameters["used"] < 1).all()
    assert (parameters["left out"] == 1).all()


@pytest.mark.parametrize("warmup", [100, 101, -1])
def test_a_plan_needs_steps_beyond_its_warmup(warmup):
    with pytest.raises(ValueError, match=f"warmup={warmup} must be less than steps=100"):
        Plan(steps=100, rate=0.1, warmup=warmup)


def test_a_run_that_is_killed_loses_no_line_of_its_log(tmp_path):
    """By SIGKILL in a second slice, before its first save: what the first slice wrote is there."""
    script = (
        "import os, signal, sys, torch\n"
        "from pathlib import Path\n"
        "from gemma3_edu.train.loop import Plan, fit\n"
        "weight, steps = torch.nn.Parameter(torch.ones(2)), 0\n"
        "def kill(step, loss):\n"
        "    global steps\n"
        "    steps += 1\n"
        "    if steps == 20 and sys.argv[2] == 'first': raise SystemExit\n"
        "    if steps == 20: os.kill(os.getpid(), signal.SIGKILL)\n"
        "every = 0 if sys.argv[2] == 'first' else 1e9\n"
        "plan = Plan(steps=100, rate=0.01, warmup=2)\n"
        "loss = lambda step: weight.square().sum()\n"
        "fit({'w': weight}, loss, plan, Path(sys.argv[1]), save_every=every, on_step=kill)\n"
    )
    for part, code in [("first", 0), ("second", -signal.SIGKILL)]:
        command = [sys.executable, "-c", script, str(tmp_path), part]
        assert subprocess.run(command).returncode == code
    assert [line["step"] for line in logged(tmp_path)][:19] == list(range(19))
    weight = nn.Parameter(torch.ones(2))
    plan = Plan(steps=100, rate=0.01, warmup=2)
    assert fit({"w": weight}, lambda step: weight.square().sum(), plan, tmp_path)
    assert [line["step"] for line in logged(tmp_path)] == list(range(100))


def test_two_trainings_in_one_folder_are_refused(tmp_path):
    parameters, loss_of = problem()
    refused = []

    def another(step: int, loss: float) -> None:
        with pytest.raises(ValueError, match="another process is at work in") as error:
            fit(*problem(), PLAN, tmp_path)
        refused.append(error)

    assert fit(parameters, loss_of, PLAN, tmp_path, on_step=another)
    assert len(refused) == PLAN.steps
    assert [line["step"] for line in logged(tmp_path)] == list(range(12))


def test_a_time_limit_that_is_no_number_is_refused(tmp_path):
    with pytest.raises(ValueError, match="seconds=nan: no time is ever longer"):
        fit(*problem(), PLAN, tmp_path, seconds=float("nan"))
