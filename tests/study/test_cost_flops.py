"""Bytes of weights in every format, and operations at full size, as PyTorch lays out and counts."""

import re

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from gemma3_edu import cost
from gemma3_edu.model.cache import KVCache
from gemma3_edu.model.config import Gemma3Config
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.model.layout import Batch, TokenLayout
from gemma3_edu.model.presets import PRESETS

SIZES = ("270m", "1b", "4b", "12b", "27b")
# Bits, numbers that share a scale; None: no scales.
LAYOUTS = {"bf16": (16, None), "int8": (8, "row"), "sfp8": (8, None)}
LAYOUTS |= {"int4-32": (4, 32), "int4-row": (4, "row")}


@pytest.fixture(scope="module", params=SIZES)
def size(request) -> tuple[str, Gemma3]:
    """A released size on the meta device: shapes without memory."""
    with torch.device("meta"):
        return request.param, Gemma3(PRESETS[request.param]).requires_grad_(False)


def laid_out(model: Gemma3, bits: int, block: int | str | None) -> int:
    """Bytes of real tensors: codes in bytes, scales in halves, all else in two bytes."""
    total = 0
    for name, weight in model.named_parameters():
        if bits == 16 or weight.ndim != 2 or not name.startswith("language_model"):
            total += torch.empty_like(weight, dtype=torch.bfloat16).nbytes
            continue
        rows, columns = weight.shape
        total += torch.empty(rows, columns * bits // 8, dtype=torch.uint8, device="meta").nbytes
        if block is not None:
            across = 1 if block == "row" else columns // block
            total += torch.empty(rows, across, dtype=torch.float16, device="meta").nbytes
    return total


def test_weight_bytes_are_those_of_tensors(size):
    name, model = size
    assert set(LAYOUTS) == set(cost.FORMATS)
    for kind, layout in LAYOUTS.items():
        assert cost.weight_bytes(PRESETS[name], kind) == laid_out(model, *layout), kind


def test_weight_bytes_by_name_by_value_and_of_the_text_part():
    config = PRESETS["4b"]
    assert cost.weight_bytes(config) == 2 * cost.parameters(config) == 8_600_158_944
    own = cost.WeightFormat(4, 32)
    assert cost.weight_bytes(config, own) == cost.weight_bytes(config, "int4-32")
    parts = cost.parameters_by_part(config)
    for kind in cost.FORMATS:
        tower = cost.weight_bytes(config, kind) - cost.weight_bytes(config.text, kind)
        assert tower == 2 * (parts["vision"] + parts["projector"])
    assert cost.weight_bytes(PRESETS["1b"]) == cost.weight_bytes(PRESETS["1b"].text)


@pytest.mark.parametrize(
    ("stored", "want"),
    [
        (cost.WeightFormat(16), 2 * 128),
        (cost.WeightFormat(8), 128),
        (cost.WeightFormat(8, "row"), 128 + 2 * 2),
        (cost.WeightFormat(4, 32), 64 + 4 * 2),
        (cost.WeightFormat(4, "row"), 64 + 2 * 2),
        (cost.WeightFormat(2, 16), 32 + 8 * 2),
    ],
)
def test_bytes_of_a_matrix(stored, want):
    assert stored.matrix_bytes(2, 64) == want


@pytest.mark.parametrize("size", ["270m", "4b"], indirect=True)  # lesson 16 counts all five
def test_a_decoding_step_counted_by_torch_at_full_size(size):
    """Exact, since one query of a full ring sees every key the kernel computes."""
    name, model = size
    config: Gemma3Config = PRESETS[name]
    for context in (1, config.text.sliding_window + 5):
        cache = KVCache(config.text, max_length=context, device="meta")
        cache.length = context - 1
        one = torch.zeros(1, 1, dtype=torch.long, device="meta")
        plain = sdpa_kernel(SDPBackend.MATH)
        with torch.no_grad(), plain, FlopCounterMode(display=False) as counter:
            model(Batch(one, TokenLayout(one, one)), cache)
        assert counter.get_total_flops() == cost.flops(config, 1, context - 1)


@pytest.mark.parametrize("size", ["4b"], indirect=True)
def test_one_picture_counted_by_torch_at_full_size(size):
    name, model = size
    pixels = torch.zeros(1, 3, 896, 896, device="meta")
    plain = sdpa_kernel(SDPBackend.MATH)
    with torch.no_grad(), plain, FlopCounterMode(display=False) as counter:
        model.vision(pixels)
    assert counter.get_total_flops() == cost.flops_by_part(PRESETS[name], 1, images=1)["vision"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: cost.weight_bytes(PRESETS["1b"], "int5"),
            "weights='int5' must be a WeightFormat or one of ['bf16', 'int8', 'sfp8', 'int4-32',"
            " 'int4-row']",
        ),
        (
            lambda: cost.WeightFormat(4, 32).matrix_bytes(1152, 4304),
            "columns=4304 is not a multiple of block=32",
        ),
    ],
)
def test_bad_formats(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
