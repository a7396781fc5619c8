"""The figures of lesson 06 draw what they say."""

import re

import pytest
import torch

from gemma3_edu import naive
from gemma3_edu.lessons.figures import gqa
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.gqa import ALIKE, KV_HEADS, TRAINED, UNLIKE, WAYS, error
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.study.cost import cache_bytes


@pytest.fixture(autouse=True)
def close():
    yield
    gqa.plt.close("all")


def drawn(ax) -> list[int]:
    """For each query head, the square that its line ends in, counted from the left."""
    (lines,) = [c for c in ax.collections if c.get_label() == "reads"]
    circles, squares = (
        next(c for c in ax.collections if c.get_label() == name).get_offsets()
        for name in ("query heads", "key/value heads")
    )
    starts = [path.vertices[0].tolist() for path in lines.get_paths()]
    assert starts == circles.tolist()
    ends = [path.vertices[-1].tolist() for path in lines.get_paths()]
    return [squares.tolist().index(end) for end in ends]


# Who reads whom


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 1), (8, 4), (6, 2), (3, 3), (32, 16)])
def test_readers_are_those_of_the_loops(heads: int, kv_heads: int):
    q = torch.ones(1, heads, 1, 2)
    v = torch.arange(float(kv_heads))[None, :, None, None].expand(1, -1, 1, 2)
    mask = torch.ones(1, 1, 1, dtype=torch.bool)
    out, _ = naive.attention.attend(q, v, v, mask, 1.0)
    assert gqa.readers(heads, kv_heads) == out[0, :, 0, 0].int().tolist()


def test_who_reads_whom_in_the_five_sizes():
    sizes = {
        size: (PRESETS[size].text.num_attention_heads, PRESETS[size].text.num_key_value_heads)
        for size in ("270m", "1b", "4b", "12b", "27b")
    }
    fig = gqa.who_reads_whom(sizes)
    assert [drawn(ax) for ax in fig.axes] == [gqa.readers(*pair) for pair in sizes.values()]
    titles = [ax.get_title() for ax in fig.axes]
    assert titles[0] == "270m: 4 query heads, 1 key/value head, G = 4"
    assert titles[4] == "27b: 32 query heads, 16 key/value heads, G = 2"
    assert fig.get_size_inches()[0] <= 7


def test_neighbouring_groups_are_told_apart():
    (ax,) = gqa.who_reads_whom({"4b": (8, 4)}).axes
    circles, squares = (c.get_facecolors()[:, 0].tolist() for c in ax.collections[1:])
    assert squares[0] == squares[2] != squares[1] == squares[3]
    assert circles == [squares[j] for j in (0, 0, 1, 1, 2, 2, 3, 3)]


# The toy


def test_eight_heads_lose_nothing():
    assert [error(way, 8) for way in WAYS] == [0, 0, 0]


def test_unlike_heads_lose_what_paper_says_and_a_little_more():
    """The mean of G unlike vectors is off by sqrt(1 - 1/G); averaged keys add to that."""
    for kv_heads in KV_HEADS[1:]:
        paper = (1 - kv_heads / 8) ** 0.5
        assert paper < error(UNLIKE, kv_heads) < paper + 0.08


def test_like_pairs_are_cheap_to_join_and_their_groups_are_not():
    assert error(ALIKE, 4) < 0.4 * error(UNLIKE, 4)
    assert error(ALIKE, 2) > 0.85 * error(UNLIKE, 2)


def test_training_wins_back_part():
    for kv_heads in KV_HEADS[1:]:
        assert 0.5 < error(TRAINED, kv_heads) / error(UNLIKE, kv_heads) < 0.85
    found = [error(TRAINED, kv_heads) for kv_heads in KV_HEADS]
    assert found == sorted(found)


def test_pairs_are_alike_and_strangers_are_not():
    for weights in layer_pairs(0.9):
        cosine = torch.nn.functional.normalize(weights.flatten(1), dim=1)
        likeness = cosine @ cosine.T
        neighbours = torch.block_diag(*[torch.ones(2, 2)] * 4).bool()
        off = ~neighbours
        assert likeness[neighbours].min() > 0.85
        assert likeness[off].abs().max() < 0.25
    for weights in layer_pairs(0.0):
        cosine = torch.nn.functional.normalize(weights.flatten(1), dim=1)
        assert (cosine @ cosine.T - torch.eye(8)).abs().max() < 0.25


def layer_pairs(alike: float):
    return gqa.layer(alike)[1:3]


def test_the_toy_is_attention():
    """Against the loops, with gains of 1 and the text's own mask."""
    weights = gqa.pooled(gqa.layer(0.3), 2)
    x = gqa._text(5)[:2]
    q, k, v = (torch.einsum("btd,nhd->bnth", x, w).float() for w in weights[:3])
    none = torch.zeros(gqa.WIDTH)
    q, k = (naive.layers.rms_norm(a, none) for a in (q, k))
    mask = torch.ones(2, x.shape[1], x.shape[1], dtype=torch.bool).tril()
    heard, _ = naive.attention.attend(q, k, v, mask, gqa.WIDTH**-0.5)
    want = torch.einsum("bnth,dnh->btd", heard, weights[3].float())
    torch.testing.assert_close(gqa.output(x, weights).float(), want, rtol=0, atol=1e-5)


def test_another_way_is_refused():
    with pytest.raises(ValueError, match=f"way='cut' is none of {re.escape(', '.join(WAYS))}"):
        error("cut", 4)


def test_kept_bytes_are_those_of_a_cache():
    text = PRESETS["4b"].text
    for kv_heads in KV_HEADS:
        share = gqa.kept_bytes(kv_heads) / gqa.kept_bytes(text.num_key_value_heads)
        assert gqa.kept_bytes(kv_heads) == 2 * kv_heads * gqa.WIDTH * 2
        assert share == kv_heads / text.num_key_value_heads
    a_token_and_layer = cache_bytes(text, 1) // text.num_hidden_layers
    assert a_token_and_layer == gqa.kept_bytes(text.num_key_value_heads) * 256 / gqa.WIDTH


# The curves and the knob


def test_bytes_and_error():
    (ax,) = gqa.bytes_and_error().axes
    assert [line.get_label() for line in ax.lines] == list(WAYS)
    for way, line in zip(WAYS, ax.lines, strict=True):
        assert list(line.get_xdata()) == [192, 96, 48, 24]
        assert list(line.get_ydata()) == [error(way, kv_heads) for kv_heads in KV_HEADS]
    assert "x ticks 192, K = 8 | 96, K = 4 | 48, K = 2 | 24, K = 1" in describe(ax.figure)


@pytest.mark.parametrize("kv_heads", [1, 4, 8])  # both ends of the slider, and where it starts
def test_the_knob(kv_heads: int):
    left, right = gqa.sharing(kv_heads).axes
    assert left.get_title() == f"K = {kv_heads}, G = {8 // kv_heads}"
    assert drawn(left) == gqa.readers(8, kv_heads)
    want = [kv_heads / 8, *(error(way, kv_heads) for way in WAYS)]
    assert [bar.get_width() for bar in right.patches] == want[::-1]
    assert [text.get_text() for text in right.texts] == [f"{value:.2f}" for value in want[::-1]]
    names = [label.get_text() for label in right.get_yticklabels()]
    assert names == ["cache", *WAYS][::-1]


def test_small_multiples_are_the_rows_of_the_knob():
    four = describe(gqa.sharing(*KV_HEADS)).splitlines()
    alone = [line for k in KV_HEADS for line in describe(gqa.sharing(k)).splitlines()]
    plain = [line for line in four if not line.startswith("axes")]
    assert plain == [line for line in alone if not line.startswith("axes")]
    assert len(plain) == 4 * 9


def test_every_figure_has_a_digest_of_its_own():
    figures = [
        gqa.who_reads_whom({"1b": (4, 1)}),
        gqa.who_reads_whom({"4b": (8, 4)}),
        gqa.bytes_and_error(),
        *(gqa.sharing(kv_heads) for kv_heads in KV_HEADS),
    ]
    assert len({describe(fig) for fig in figures}) == len(figures)
    assert all(fig.get_size_inches()[0] <= 7 for fig in figures)
