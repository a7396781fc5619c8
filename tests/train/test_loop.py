"""Training stops and goes on without a trace, and refuses what would spoil a run."""

import json

import pytest
import torch
import torch.distributed as dist
from torch import nn

from gemma3_edu.train.loop import Plan, fit, process, processes

PLAN = Plan(steps=12, learning_rate=0.05, warmup=3)


def problem() -> tuple[dict[str, nn.Parameter], object]:
    """A small regression whose data is a function of the step's number."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 2))

    def loss_of(step: int) -> torch.Tensor:
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        return (net(x) - x[:, :2] * x[:, 2:]).square().mean()

    return dict(net.named_parameters()), loss_of


def logged(folder) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def steps_logged(folder) -> list[float]:
    return [line["step"] for line in logged(folder)]


def test_slices_end_where_one_run_ends(tmp_path):
    whole, loss_of = problem()
    assert fit(whole, loss_of, PLAN, tmp_path / "whole")
    calls = 0
    while True:  # a slice of no time at all does no step, so let each crash after two
        parts, loss_of = problem()  # fresh weights: all that goes on comes from the state
        calls += 1

        def stop_soon(step: int, loss: float) -> None:
            nonlocal done
            done += 1
            if done == 2:
                raise KeyboardInterrupt

        done = 0
        try:
            finished = fit(
                parts, loss_of, PLAN, tmp_path / "parts", save_every=0.0, on_step=stop_soon
            )
        except KeyboardInterrupt:
            continue
        assert finished
        break
    assert calls > 5
    for name, parameter in whole.items():
        assert torch.equal(parameter, parts[name]), name
    assert steps_logged(tmp_path / "parts") == list(range(12))
    parts, whole = (logged(tmp_path / name) for name in ("parts", "whole"))
    assert [each["loss"] for each in parts] == [each["loss"] for each in whole]
    seconds = [each["seconds"] for each in parts]
    assert seconds == sorted(seconds)  # they go on where the slice before stopped


def test_a_slice_ends_in_time_and_says_so(tmp_path):
    parameters, loss_of = problem()
    assert not fit(parameters, loss_of, PLAN, tmp_path, seconds=-1.0)
    assert steps_logged(tmp_path) == []
    assert fit(parameters, loss_of, PLAN, tmp_path)


def test_a_loss_that_is_no_number_keeps_the_state_from_before(tmp_path):
    parameters, loss_of = problem()
    assert not fit(parameters, loss_of, PLAN, tmp_path, seconds=-1.0)
    before = (tmp_path / "state.pt").read_bytes()
    with pytest.raises(ValueError, match=r"learning_rate=0\.05"):
        fit(parameters, lambda step: loss_of(step) * float("nan"), PLAN, tmp_path)
    assert (tmp_path / "state.pt").read_bytes() == before


def test_another_models_state_is_refused(tmp_path):
    parameters, loss_of = problem()
    fit(parameters, loss_of, PLAN, tmp_path)
    parameters.popitem()
    with pytest.raises(ValueError, match="holds other parameters"):
        fit(parameters, loss_of, PLAN, tmp_path)


def test_only_matrices_decay(tmp_path):
    """With no gradient, decay alone moves a parameter."""
    parameters = {"matrix": nn.Parameter(torch.ones(2, 2)), "norm": nn.Parameter(torch.ones(2))}
    zero = lambda step: sum((p * 0).sum() for p in parameters.values())  # noqa: E731
    fit(parameters, zero, Plan(steps=5, learning_rate=0.1, warmup=0), tmp_path)
    assert (parameters["matrix"] < 1).all()
    assert (parameters["norm"] == 1).all()


def test_a_plan_needs_steps_beyond_its_warmup():
    with pytest.raises(ValueError, match="warmup=100"):
        Plan(steps=100, learning_rate=0.1)


def half_of_a_run(rank: int, folder) -> None:
    """One of two processes: it reads every other step's data, and has a clock of its own."""
    dist.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2
    )
    assert (process(), processes()) == (rank, 2)
    parameters, loss_of = problem()
    mine = lambda step: loss_of(2 * step + rank)  # noqa: E731
    assert not fit(parameters, mine, PLAN, folder / "pair", seconds=1e9 if rank else -1.0)
    parameters, loss_of = problem()
    assert fit(parameters, lambda step: loss_of(2 * step + rank), PLAN, folder / "pair")
    torch.save(parameters, folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_train_as_one_that_reads_both_halves(tmp_path):
    torch.multiprocessing.spawn(half_of_a_run, args=(tmp_path,), nprocs=2)
    parameters, loss_of = problem()
    both = lambda step: (loss_of(2 * step) + loss_of(2 * step + 1)) / 2  # noqa: E731
    assert fit(parameters, both, PLAN, tmp_path / "alone")
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=False)
        for name, parameter in parameters.items():
            torch.testing.assert_close(found[name], parameter, rtol=1e-5, atol=1e-6)
    losses = [[line["loss"] for line in logged(tmp_path / name)] for name in ("pair", "alone")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4, abs=2e-5)


def test_a_parameter_that_a_step_leaves_out_stays_without_a_gradient(tmp_path):
    """As the projector does in a batch without pictures."""
    parameters = {"used": nn.Parameter(torch.ones(2)), "left out": nn.Parameter(torch.ones(2))}
    fit(parameters, lambda step: parameters["used"].square().sum(), PLAN, tmp_path)
    assert (parameters["used"] < 1).all()
    assert (parameters["left out"] == 1).all()
