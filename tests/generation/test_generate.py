"""Generating: the same text however it is computed, and nothing computed that is not needed."""

import pytest
import torch
from torch import Tensor

from gemma3_edu.generation.generate import chunks, generate
from gemma3_edu.generation.sampling import Sampler
from gemma3_edu.model.cache import KVCache
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.model.layout import Batch
from gemma3_edu.study.capture import capture
from tests.tiny import left_padded, prompts, tiny_config, tiny_model

GREEDY = Sampler(temperature=0)
CONFIG = tiny_config(vision=True)


@pytest.fixture(scope="module")
def model() -> Gemma3:
    return tiny_model(CONFIG, seed=2)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return prompts(CONFIG, "tt#tttt##tttt", "#ttttt", "t")


def text(model: Gemma3, batch: Batch, sampler: Sampler = GREEDY, **options: object) -> Tensor:
    """All ids that `generate` yields, one row a sequence."""
    return torch.stack(list(generate(model, batch, sampler, **options)), dim=1)


def recomputed(model: Gemma3, batch: Batch, steps: int) -> Tensor:
    """Greedy text without a cache: the whole text through the model for every token."""
    tokens, layout = batch.tokens, batch.layout
    for _ in range(steps):
        with torch.no_grad():
            logits = model(Batch(tokens, layout, batch.images))[:, -1]
        best = logits.topk(2).values
        assert (best[:, 0] - best[:, 1] > 1e-4).all()  # else rounding could choose
        tokens = torch.cat([tokens, logits.argmax(-1, keepdim=True)], 1)
        layout = layout.followed_by(layout.next_column())
    return tokens[:, batch.layout.length :]


def test_greedy_equals_recomputing_everything(model, batch):
    want = recomputed(model, batch, 20)
    assert len(want.unique()) > 10
    assert text(model, batch, max_new_tokens=20).equal(want)


def test_chunk_sizes_give_the_same_text(model, batch):
    want = text(model, batch, max_new_tokens=8)
    for size in range(1, batch.layout.length + 2):
        assert text(model, batch, max_new_tokens=8, chunk_size=size).equal(want)


class TestStopping:
    def test_a_stopped_row_yields_0_until_all_have(self, model, batch):
        free = text(model, batch, max_new_tokens=20)
        stops = {int(free[0, 3]), int(free[1, 7]), int(free[2, 5])}
        lengths = [next(i for i, t in enumerate(row) if t in stops) for row in free.tolist()]
        assert len(set(lengths)) > 1
        got = text(model, batch, max_new_tokens=20, stop_tokens=stops)
        assert got.shape[1] == max(lengths) + 1
        for row, length in enumerate(lengths):
            assert got[row, : length + 1].equal(free[row, : length + 1])  # the stop token is given
            assert not got[row, length + 1 :].any()

    def test_every_stop_token_stops(self, model, batch):
        """Released models stop at 1 and at 106: whichever comes."""
        row = prompts(CONFIG, "tttt")
        free = text(model, row, max_new_tokens=12)[0].tolist()
        for stop in free[2:5]:
            stops = [next(token for token in range(64) if token not in free), stop]
            got = text(model, row, max_new_tokens=12, stop_tokens=stops)[0].tolist()
            assert got == free[: free.index(stop) + 1]

    def test_max_new_tokens(self, model, batch):
        for count in (1, 2, 7):
            assert text(model, batch, max_new_tokens=count).shape == (3, count)


class TestLimits:
    def test_up_to_max_positions_and_no_further(self):
        config = tiny_config(max_position_embeddings=20)
        model, batch = tiny_model(config), prompts(config, "t" * 15, "t" * 3)
        assert text(model, batch, max_new_tokens=5).shape == (2, 5)
        for count in (0, -1, 6):
            with pytest.raises(
                ValueError, match=rf"max_new_tokens={count} must be at least 1 and at most"
            ):
                generate(model, batch, GREEDY, max_new_tokens=count)  # not even asked for one id

    def test_padding_counts_for_nothing(self):
        """Rows are as long as their longest, whatever stands left of it."""
        config = tiny_config(max_position_embeddings=20)
        ids, mask = torch.full((1, 30), 5), torch.ones(1, 30, dtype=torch.long)
        mask[:, :20] = 0
        batch = Batch.from_ids(ids, config, padding_mask=mask)
        assert text(tiny_model(config), batch, max_new_tokens=10).shape == (1, 10)

    def test_a_prompt_longer_than_max_positions(self):
        config = tiny_config(max_position_embeddings=20)
        with pytest.raises(
            ValueError, match=r"a prompt of 21 tokens .* max_position_embeddings=20"
        ):
            prompts(config, "t" * 21)

    def test_chunk_size(self, model, batch):
        with pytest.raises(ValueError, match="chunk_size=0 must be at least 1"):
            generate(model, batch, GREEDY, chunk_size=0)

    def test_a_cache_that_is_too_short(self, model, batch):
        room = batch.layout.length + 7  # the eighth id is not stored
        cache = KVCache(CONFIG.text, 3, max_length=room)
        with pytest.raises(ValueError, match=f"max_new_tokens=9 .* max_length={room}"):
            generate(model, batch, GREEDY, max_new_tokens=9, cache=cache)
        assert text(model, batch, max_new_tokens=8, cache=cache).shape == (3, 8)
        assert cache.length == room


class TestSampling:
    def test_the_same_seed_gives_the_same_text(self, model, batch):
        def drawn(seed: int) -> Tensor:
            generator = torch.Generator().manual_seed(seed)
            return text(model, batch, Sampler(), max_new_tokens=20, generator=generator)

        assert drawn(1).equal(drawn(1))
        assert not drawn(1).equal(drawn(2))

    def test_the_default_samples(self, model, batch):
        generator = torch.Generator().manual_seed(1)
        want = text(model, batch, Sampler(1.0, 64, 0.95), max_new_tokens=9, generator=generator)
        assert text(model, batch, None, max_new_tokens=9, generator=generator.manual_seed(1)).equal(
            want
        )


class TestWork:
    def test_a_decode_step_feeds_one_query(self, model, batch):
        with capture(model, "language_model.norm") as seen:
            text(model, batch, max_new_tokens=5, chunk_size=9)
        prefilled = [stop - start for start, stop in chunks(batch.layout, 9)]
        widths = [hidden.shape[1] for hidden in seen["language_model.norm"]]
        assert len(prefilled) > 2
        assert widths == prefilled + [1] * 4  # the fifth id is chosen and not fed

    def test_images_are_encoded_once(self, model, batch):
        with capture(model, "vision.encoder") as seen:
            text(model, batch, max_new_tokens=5, chunk_size=3)
        assert sum(len(encoded) for encoded in seen["vision.encoder"]) == len(batch.images)

    def test_the_head_is_asked_for_one_column_at_a_time(self, model, batch, monkeypatch):
        widths, head = [], model.logits
        monkeypatch.setattr(model, "logits", lambda x: widths.append(x.shape[1]) or head(x))
        for size in (9, 1024):
            text(model, batch, max_new_tokens=5, chunk_size=size)
        assert widths == [1] * 10

    def test_ids_come_as_soon_as_they_are_known(self, model, batch):
        steps = generate(model, batch, GREEDY, max_new_tokens=5)
        with capture(model, "language_model.norm") as seen:
            for count in range(1, 6):
                assert not next(steps).requires_grad
                assert len(seen["language_model.norm"]) == count
        assert torch.is_grad_enabled()


class TestSecondTurn:
    """Going on with the cache of an earlier call equals starting from scratch."""

    @pytest.mark.parametrize("max_length", [None, 100])
    def test_text_and_images(self, model, max_length):
        first = prompts(CONFIG, "t#ttt", "tttttttt")
        more = prompts(CONFIG, "t##ttt", "t" * 16, seed=1)  # as many columns in either row
        cache = KVCache(CONFIG.text, 2, max_length)
        answer = text(model, first, max_new_tokens=9, cache=cache)
        assert cache.length == first.layout.length + 8  # the last id is not stored
        rows = []
        for row, kept in enumerate(first.layout.position >= 0):
            parts = first.tokens[row, kept], answer[row], more.tokens[row]
            rows.append(torch.cat(parts).tolist())
        ids, mask = left_padded(rows)
        images = torch.cat([first.images, more.images])
        whole = Batch.from_ids(ids, CONFIG, images, mask)
        rest = whole.columns(cache.length, whole.layout.length)
        got = text(model, rest, max_new_tokens=9, cache=cache)
        assert got.equal(recomputed(model, whole, 9))

    def test_positions_that_start_again_are_refused(self, model):
        cache = KVCache(CONFIG.text)
        text(model, prompts(CONFIG, "tttt"), max_new_tokens=3, cache=cache)
        with pytest.raises(ValueError, match="go on from the last column stored"):
            text(model, prompts(CONFIG, "ttt"), max_new_tokens=3, cache=cache)


class TestChunks:
    def test_borders_move_past_images_in_any_row(self):
        layout = prompts(CONFIG, "t#tttttt", "tttttttttttt#").layout
        soft = [row.nonzero().flatten().tolist() for row in layout.image_id]
        assert (layout.length, soft) == (18, [[7, 8, 9, 10], [13, 14, 15, 16]])
        assert chunks(layout, 3) == [(0, 3), (3, 6), (6, 11), (11, 17), (17, 18)]
        assert chunks(layout, 7) == [(0, 7), (7, 17), (17, 18)]
        assert chunks(layout, 8) == [(0, 11), (11, 18)]
        assert chunks(layout, 100) == [(0, 18)]

    @pytest.mark.parametrize("seed", range(20))
    def test_borders_are_the_first_that_cut_nothing(self, seed):
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randint(0, 6, (2, 12), generator=generator)
        layout = prompts(CONFIG, *("".join("#ttttt"[i] for i in row) for row in drawn)).layout

        def cuts(border: int) -> bool:
            left, right = layout.image_id[:, border - 1], layout.image_id[:, border]
            return bool(((left == right) & (left > 0)).any())

        for size in range(1, layout.length + 1):
            start = 0
            for begin, end in chunks(layout, size):
                assert begin == start < end
                start = end
                assert end == layout.length or not cuts(end)
                assert all(cuts(border) for border in range(begin + size, end))
                assert end - begin >= size or end == layout.length
            assert start == layout.length
