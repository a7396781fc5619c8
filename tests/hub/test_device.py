"""A device that cannot be used says what it lacks."""

import pytest
import torch

from gemma3_edu.hub.checkpoint import load
from gemma3_edu.hub.device import _lacking, usable


@pytest.mark.parametrize("device", [None, "cpu", torch.device("cpu"), "cpu:0"])
def test_the_cpu_is_there(device):
    assert usable(device).type == "cpu"


@pytest.mark.parametrize("device", ["xyz", "", "cuda:x"])
def test_no_device(device):
    with pytest.raises(ValueError, match="is none of PyTorch's"):
        usable(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_load_says_what_a_gpu_lacks():
    with pytest.raises(ValueError, match=r"device='cuda' cannot be used: this PyTorch"):
        load("nano-it", device="cuda")


@pytest.mark.parametrize(
    ("built", "there", "words"),
    [
        (False, False, "was built without CUDA; install one of its CUDA builds"),
        (True, False, "finds no GPU and driver that it can use"),
        (True, True, "there are 2 GPUs here, counted from 0"),
    ],
)
def test_what_cuda_lacks(built, there, words, monkeypatch):
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert words in _lacking(torch.device("cuda:7"), RuntimeError("x"))


def test_an_error_of_another_kind_keeps_its_first_line():
    assert _lacking(torch.device("cpu"), RuntimeError("first\nsecond")) == "first"
