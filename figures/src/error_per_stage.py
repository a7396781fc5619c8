"""Relative error at each stage of nano: beside transformers, and with four planted mistakes.

Drawn from error_per_stage.json, which was measured once, with transformers installed:

    python figures/src/error_per_stage.py
"""

import copy
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from gemma3_edu import Batch, GatedMLP, Gemma3, capture, config_to_hf, load
from gemma3_edu.hub.checkpoint import ASSETS
from gemma3_edu.hub.weights import our_name
from gemma3_edu.lessons.figures.parity import error_per_stage
from gemma3_edu.train.data.prose import passages
from gemma3_edu.verify.oracle import their_arguments, their_model
from gemma3_edu.verify.verify import relative_error

TITLE = "Where two models part"
ALT = (
    "Relative error at fifteen stages of nano: beside transformers it stays below 0.00001 at every"
    " one; of four planted mistakes one leaves that level at block 0, one at block 5, one at the"
    " final norm, one at the logits."
)
LONG = """The relative error of the worst token's vector, on a logarithmic axis, at fifteen stages
of nano: embeddings, blocks 0 to 11, final norm, logits. Beside transformers, on held-out prose of
more than four windows, it lies at the bottom of the picture, at or below 0.00001, at every stage.
With SiLU in the place of GELU it leaves the bottom at block 0 and rises slowly. With the angles
of local layers on global ones it jumps at block 5, the first global block. Without the final norm
it jumps at that norm, and with a soft cap on the logits at the last stage of all."""

STORED = Path(__file__).with_suffix(".json")


def draw() -> Figure:
    """As measured when the weights were made."""
    return error_per_stage(json.loads(STORED.read_text(encoding="utf-8")))


@torch.no_grad()
def measure() -> dict[str, dict[str, float]]:
    """The errors of `STORED`, on the bundled weights and 288 tokens of held-out prose after BOS."""
    nano, processor = load("nano-pt")
    ids = processor.tokenizer.encode(passages(ASSETS / "prose", "test")[0])[:289]
    batch = Batch.from_ids(torch.tensor([ids]), nano.config)
    right, theirs = stages(nano, batch), twin(nano)
    want = stages(theirs, their_arguments(batch), "model.language_model")
    errors = {
        "beside transformers": {stage: relative_error(right[stage], want[stage]) for stage in want}
    }
    for name, plant in MISTAKES.items():
        model = copy.deepcopy(nano)
        plant(model)
        wrong = stages(model, batch)
        errors[name] = {stage: relative_error(wrong[stage], right[stage]) for stage in right}
    return {
        name: {stage: float(f"{error:.1e}") for stage, error in found.items()}
        for name, found in errors.items()
    }


def twin(model: Gemma3) -> nn.Module:
    """transformers' model on the same weights, as lesson 15 makes it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(config_to_hf(model.config)))
        theirs = their_model(folder)
    ours = dict(model.named_parameters())
    tied = ours["language_model.embed_tokens.weight"]
    state = {name: ours.get(our_name(name), tied) for name in theirs.state_dict()}
    theirs.load_state_dict(state, assign=True)
    return theirs


def stages(model: nn.Module, given: Any, decoder: str = "language_model") -> dict[str, Tensor]:
    """What each stage gives out, for text."""
    with capture(model, f"{decoder}.[eln]*[0-9ms]") as seen:
        said = model(**given).logits if isinstance(given, dict) else model(given)
    parts = {"embeddings": "embed_tokens", "final norm": "norm"}
    parts |= {f"block {n}": f"layers.{n}" for n in range(12)}
    order = ["embeddings", *(f"block {n}" for n in range(12)), "final norm"]
    return {name: seen[f"{decoder}.{parts[name]}"][0] for name in order} | {"logits": said}


class OtherGate(GatedMLP):
    """SiLU in the place of GELU."""

    def forward(self, x: Tensor) -> Tensor:
        """As GatedMLP, with the other curve."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


def _silu(model: Gemma3) -> None:
    for block in model.language_model.layers:
        block.mlp.__class__ = OtherGate


def _local_angles(model: Gemma3) -> None:
    decoder = model.language_model
    decoder.config = replace(decoder.config, rope_global=decoder.config.rope_local)


def _no_norm(model: Gemma3) -> None:
    model.language_model.norm = nn.Identity()


def _soft_cap(model: Gemma3) -> None:
    table = model.language_model.embed_tokens
    table.logits = partial(_capped, table.logits)


def _capped(uncapped: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return 30 * torch.tanh(uncapped(x) / 30)


MISTAKES: dict[str, Callable[[Gemma3], None]] = {
    "SiLU for GELU": _silu,
    "local angles on global layers": _local_angles,
    "final norm missing": _no_norm,
    "soft cap on the logits": _soft_cap,
}

if __name__ == "__main__":
    STORED.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
