"""The filters keep what transformers' warpers keep."""

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from gemma3_edu.generation.sampling import Sampler, keep_top_k, keep_top_p

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def logits() -> torch.Tensor:
    """Random rows without ties, flat ones and steep ones."""
    spread = torch.tensor([0.5, 2.0, 8.0]).repeat_interleave(20)[:, None]
    return torch.randn(60, 300, generator=torch.Generator().manual_seed(0)) * spread


@pytest.mark.parametrize("k", [1, 2, 64, 299, 300, 1000])
def test_top_k(logits, k):
    assert keep_top_k(logits, k).equal(TopKLogitsWarper(k)(None, logits))


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9, 0.95, 0.999])
def test_top_p(logits, p):
    assert keep_top_p(logits, p).equal(TopPLogitsWarper(p)(None, logits))


@pytest.mark.parametrize(
    ("temperature", "k", "p"), [(1.0, 64, 0.95), (0.7, 20, 0.8), (1.5, 5, 0.5)]
)
def test_in_the_order_of_generate(logits, temperature, k, p):
    scores = logits
    for warper in (TemperatureLogitsWarper(temperature), TopKLogitsWarper(k), TopPLogitsWarper(p)):
        scores = warper(None, scores)
    torch.testing.assert_close(Sampler(temperature, k, p).probabilities(logits), scores.softmax(-1))
