"""A model without weights runs with those that it is handed, a layer at a time."""

import pytest
import torch

from gemma3_edu import PRESETS, Batch, Gemma3, capture
from gemma3_edu.verify.offload import offloaded

CONFIG = PRESETS["tiny-text"]


@pytest.fixture
def whole_and_empty():
    torch.manual_seed(0)
    whole = Gemma3(CONFIG).eval()
    with torch.device("meta"):
        return whole, Gemma3(CONFIG).eval()


def on_meta(model):
    return [name for name, parameter in model.named_parameters() if parameter.is_meta]


def test_the_same_logits(whole_and_empty):
    whole, empty = whole_and_empty
    batch = Batch.from_ids(torch.arange(5, 30)[None], CONFIG)
    with torch.no_grad(), offloaded(empty, whole.get_parameter, empty.language_model.layers):
        torch.testing.assert_close(empty(batch), whole(batch), rtol=0, atol=0)
        assert len(on_meta(empty)) == len(list(empty.language_model.layers.parameters()))
    assert len(on_meta(empty)) == len(list(empty.parameters()))


def test_one_layer_at_a_time(whole_and_empty):
    """Seen from inside each layer: its own weights are there and no other layer's."""
    whole, empty = whole_and_empty
    layers, there = empty.language_model.layers, []

    def look(*_):
        there.append([n for n, layer in enumerate(layers) if not on_meta(layer)])

    for layer in layers:
        layer.mlp.register_forward_hook(look)
    batch = Batch.from_ids(torch.arange(5, 30)[None], CONFIG)
    with torch.no_grad(), offloaded(empty, whole.get_parameter, layers):
        empty(batch)
    assert there == [[n] for n in range(len(layers))]


def test_each_pass_reads_every_layer_anew_and_the_rest_once(whole_and_empty):
    whole, empty = whole_and_empty
    read = []

    def tensor_of(name):
        read.append(name)
        return whole.get_parameter(name)

    batch = Batch.from_ids(torch.arange(5, 30)[None], CONFIG)
    with torch.no_grad(), offloaded(empty, tensor_of, empty.language_model.layers):
        empty(batch)
        empty(batch)
    assert read.count("language_model.layers.3.mlp.up_proj.weight") == 2
    assert read.count("language_model.embed_tokens.weight") == 1
    assert set(read) == {name for name, _ in whole.named_parameters()}


def test_an_error_inside_leaves_the_model_as_it_was(whole_and_empty):
    whole, empty = whole_and_empty

    def tensor_of(name):
        if "layers.4" in name:
            raise OSError("the disk is gone")
        return whole.get_parameter(name)

    batch = Batch.from_ids(torch.arange(5, 30)[None], CONFIG)
    with (
        pytest.raises(OSError, match="gone"),
        torch.no_grad(),
        offloaded(empty, tensor_of, empty.language_model.layers),
    ):
        empty(batch)
    assert len(on_meta(empty)) == len(list(empty.parameters()))
    with capture(whole, "language_model.norm") as seen, torch.no_grad():
        whole(batch)  # and the tensors that were handed over are still the model's they came from
    assert seen
