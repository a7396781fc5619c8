"""What a sampler keeps, exactly, and how often it draws it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma3_edu.generation.sampling import Sampler, keep_top_k, keep_top_p

quick = settings(deadline=None, database=None, derandomize=True, max_examples=200)
# Quarters, so that ties are common and exp of them is not.
LOGITS = st.lists(st.integers(-40, 40).map(lambda n: n / 4), min_size=1, max_size=12)


def kept(logits: torch.Tensor) -> list[set[int]]:
    return [set(row.isfinite().nonzero().flatten().tolist()) for row in logits]


def ranked(logits: list[float]) -> list[int]:
    """Ids, likeliest first; of equal ones the lower id first."""
    return sorted(range(len(logits)), key=lambda i: (-logits[i], i))


@quick
@given(LOGITS, st.integers(1, 15))
def test_top_k_keeps_the_k_largest(logits, k):
    got = keep_top_k(torch.tensor([logits]), k)
    want = set(ranked(logits)[:k])
    assert kept(got) == [want]
    assert all(got[0, i] == logits[i] for i in want)  # kept ones stay as they are


def nucleus(logits: list[float], p: float) -> set[int]:
    """The smallest set of likeliest tokens whose probabilities sum to p: a loop in float64."""
    total = math.fsum(map(math.exp, logits))
    chosen, mass = [], 0.0
    for i in ranked(logits):
        chosen.append(i)
        mass += math.exp(logits[i]) / total
        if mass >= p:
            break
    return set(chosen)


@quick
@given(LOGITS, st.floats(0.001, 0.999))
def test_top_p_keeps_the_smallest_set_that_reaches_p(logits, p):
    """Exact wherever no sum lies within float32's rounding of p."""
    got = keep_top_p(torch.tensor([logits]), p)
    [found] = kept(got)
    assert nucleus(logits, p - 1e-6) <= found <= nucleus(logits, p + 1e-6)
    assert all(got[0, i] == logits[i] for i in found)


@pytest.mark.parametrize("n", [1, 2, 4, 8, 16])
def test_top_p_on_the_very_border(n):
    """Sixteenths add up exactly: the token that reaches p is the last one kept."""
    even = torch.zeros(1, 16)
    assert kept(keep_top_p(even, n / 16)) == [set(range(n))]
    assert kept(keep_top_p(even, n / 16 - 1e-3)) == [set(range(n))]
    assert kept(keep_top_p(even, min(1.0, n / 16 + 1e-3))) == [set(range(min(16, n + 1)))]


def test_top_p_never_empties_the_set():
    sure = torch.tensor([[0.0, 30.0, 1.0]])
    for p in (1e-9, 0.1, 0.5, 0.999):
        assert kept(keep_top_p(sure, p)) == [{1}]


def test_p_1_keeps_every_token():
    """Though in float32 the likeliest alone already have all the mass."""
    assert kept(keep_top_p(torch.tensor([[30.0, 0.0, -30.0]]), 1.0)) == [{0, 1, 2}]
    generator = torch.Generator().manual_seed(0)
    wide = torch.randn(2, 50_000, generator=generator) * 5
    assert keep_top_p(wide, 1.0).equal(wide)


def test_rows_are_filtered_each_for_itself():
    logits = torch.tensor([[3.0, 0.0, 1.0], [0.0, 0.0, 0.0], [-1.0, 2.0, 2.0]])
    assert kept(keep_top_k(logits, 2)) == [{0, 2}, {0, 1}, {1, 2}]
    assert kept(keep_top_p(logits, 0.6)) == [{0}, {0, 1}, {1, 2}]


def test_bfloat16_logits_are_summed_in_float32():
    even = torch.zeros(1, 1024, dtype=torch.bfloat16)
    got = keep_top_p(even, 0.75)
    assert got.dtype == torch.bfloat16
    assert kept(got) == [set(range(768))]


class TestSampler:
    LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0, 1.5, -4.0, 0.5, 1.9]])

    def test_temperature_comes_first_then_k_then_p(self):
        for temperature in (0.3, 1.0, 2.0):
            for k in (1, 3, 8, 100):
                for p in (0.1, 0.5, 0.9, 0.99):
                    scaled = (self.LOGITS / temperature)[0].tolist()
                    among = ranked(scaled)[:k]
                    best = nucleus([scaled[i] for i in among], p)
                    want = {among[i] for i in best}
                    got = Sampler(temperature, k, p).probabilities(self.LOGITS)
                    assert set(got[0].nonzero().flatten().tolist()) == want
                    total = sum(math.exp(scaled[i]) for i in want)
                    for i in want:
                        assert float(got[0, i]) == pytest.approx(math.exp(scaled[i]) / total, 1e-5)

    def test_without_filters_it_is_the_softmax(self):
        got = Sampler(0.5, None, None).probabilities(self.LOGITS)
        torch.testing.assert_close(got, (self.LOGITS * 2).softmax(-1))

    def test_temperature_0_takes_the_likeliest_and_draws_nothing(self):
        generator = torch.Generator().manual_seed(0)
        before = generator.get_state()
        logits = torch.cat([self.LOGITS, self.LOGITS.flip(1)])
        assert Sampler(0)(logits, generator).tolist() == [0, 7]
        assert generator.get_state().equal(before)
        one_hot = Sampler(0).probabilities(logits)
        assert one_hot.argmax(1).tolist() == [0, 7]
        assert one_hot.sum() == one_hot.max(1).values.sum() == 2

    def test_a_low_temperature_comes_close_to_0(self):
        assert Sampler(0.01, None, None).probabilities(self.LOGITS)[0, 0] > 0.9999

    def test_the_same_seed_gives_the_same_ids(self):
        logits = self.LOGITS.repeat(200, 1)

        def drawn(seed: int) -> torch.Tensor:
            return Sampler()(logits, torch.Generator().manual_seed(seed))

        assert drawn(3).equal(drawn(3))
        assert not drawn(3).equal(drawn(4))

    @pytest.mark.parametrize(
        "sampler",
        [Sampler(), Sampler(0.5, None, None), Sampler(2.0, 4, None), Sampler(1, None, 0.7)],
    )
    def test_frequencies(self, sampler):
        """Within five standard deviations of the probabilities; what is filtered never comes."""
        draws = 20_000
        ids = sampler(self.LOGITS.repeat(draws, 1), torch.Generator().manual_seed(0))
        p = sampler.probabilities(self.LOGITS)[0]
        deviation = (draws * p * (1 - p)).sqrt()
        count = torch.bincount(ids, minlength=8)
        assert ((count - draws * p).abs() <= 5 * deviation).all()

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"temperature": -0.1}, r"temperature=-0.1 must be 0 \(greedy\) or 1e-6 and more"),
            ({"temperature": float("nan")}, "temperature=nan must be 0"),
            ({"temperature": float("inf")}, "temperature=inf must be 0"),
            ({"temperature": 1e-45}, "temperature=1e-45 must be 0"),
            ({"top_p": 1e-300}, "top_p=1e-300 must be from 1e-6 to 1"),
            ({"top_k": 0}, "top_k=0 must be at least 1"),
            ({"top_p": 0.0}, "top_p=0.0 must be from 1e-6 to 1"),
            ({"top_p": 1.1}, "top_p=1.1 must be from 1e-6 to 1"),
        ],
    )
    def test_bad_values(self, wrong, message):
        with pytest.raises(ValueError, match=message):
            Sampler(**wrong)

    def test_bad_values_of_the_filters_themselves(self):
        with pytest.raises(ValueError, match="k=0 must be at least 1; leave top_k out"):
            keep_top_k(self.LOGITS, 0)
        for p in (0.0, 1.1):
            with pytest.raises(ValueError, match=rf"p={p} must be in \(0, 1\]; 1 keeps"):
                keep_top_p(self.LOGITS, p)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_choose_no_token(temperature, number):
    logits = torch.zeros(2, 5)
    logits[1, 3] = number
    with pytest.raises(ValueError, match="logits: NaN or infinite"):
        Sampler(temperature)(logits)
    with pytest.raises(ValueError, match="logits: NaN or infinite"):
        Sampler(temperature)(torch.full((1, 4), -float("inf")))
    logits[1, 3] = -float("inf")  # as of a token that a caller rules out
    assert Sampler(0)(logits).tolist() == [0, 0]
