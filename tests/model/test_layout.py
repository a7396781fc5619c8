"""Batches: where tokens sit, which images go where, and what is refused."""

import dataclasses
import inspect
import re
import subprocess
import sys

import pytest
import torch

from gemma3_edu.model.layout import Batch, TokenLayout
from gemma3_edu.model.presets import PRESETS
from tests.tiny import (
    BOI,
    EOI,
    SOFT,
    SOFT_TOKENS,
    one_row,
    prompts,
    real,
    tiny_config,
    tiny_model,
)

CONFIG, TEXT_ONLY = tiny_config(vision=True), tiny_config()
IMAGE = [BOI, *[SOFT] * SOFT_TOKENS, EOI]


def pixels(count: int, size: int = 8) -> torch.Tensor:
    """Images told apart by their one grey."""
    return torch.arange(count).float()[:, None, None, None].expand(count, 3, size, size) / 10


def batch_of(*rows: list[int], images: int = 0, mask: list[list[int]] | None = None) -> Batch:
    given = pixels(images) if images else None
    return Batch.from_ids(
        torch.tensor(rows), CONFIG, given, None if mask is None else torch.tensor(mask)
    )


class TestFromIds:
    def test_text(self):
        batch = batch_of([2, 7, 8])
        assert batch.layout.position.tolist() == [[0, 1, 2]]
        assert batch.layout.image_id.tolist() == [[0, 0, 0]]
        assert (batch.layout.batch_size, batch.layout.length, batch.images) == (1, 3, None)

    def test_padding(self):
        batch = batch_of([0, 0, 2], [2, 7, 8], mask=[[0, 0, 1], [1, 1, 1]])
        assert batch.layout.position.tolist() == [[-1, -1, 0], [0, 1, 2]]

    def test_a_boolean_mask(self):
        ids, mask = torch.tensor([[0, 2, 7]]), torch.tensor([[False, True, True]])
        assert Batch.from_ids(ids, CONFIG, padding_mask=mask).layout.position[0, 0] == -1

    def test_images_are_numbered_in_each_row(self):
        batch = batch_of([5, *IMAGE, *IMAGE, 9], [5] * 7 + IMAGE + [9], images=3)
        ones, twos = [1] * SOFT_TOKENS, [2] * SOFT_TOKENS
        assert batch.layout.image_id.tolist() == [
            [0, 0, *ones, 0, 0, *twos, 0, 0],
            [0] * 8 + [*ones, 0, 0],
        ]
        assert batch.layout.position.tolist() == [list(range(14))] * 2  # images count as text does

    def test_an_image_may_begin_or_end_a_row(self):
        soft = [SOFT] * SOFT_TOKENS
        assert batch_of([*soft, 5, *soft], images=2).layout.image_id.max() == 2

    def test_what_padding_holds_is_never_looked_at(self):
        """Google's multimodal code takes padding for an image, since its ids are the same."""
        mask = [[0] * SOFT_TOKENS + [1, 1]]
        for filler in (0, SOFT, 63):
            ids = [filler] * SOFT_TOKENS + [2, 7]
            layout = batch_of(ids, mask=mask).layout
            assert layout.position.tolist() == [[-1] * SOFT_TOKENS + [0, 1]]
            assert not layout.image_id.any()

    def test_the_soft_token_may_lie_past_the_vocabulary(self):
        """As it does with the unpadded vocabulary of 262,144 rows."""
        text = dataclasses.replace(CONFIG.text, vocab_size=SOFT)
        batch = Batch.from_ids(
            torch.tensor([[2, *IMAGE]]), dataclasses.replace(CONFIG, text=text), pixels(1)
        )
        assert batch.layout.image_id.sum() == SOFT_TOKENS

    def test_to_a_text_only_model_the_soft_token_is_a_word(self):
        assert not Batch.from_ids(torch.tensor([[SOFT]]), TEXT_ONLY).layout.image_id.any()

    def test_exactly_max_positions(self):
        limit = CONFIG.text.max_position_embeddings
        assert batch_of([5] * limit).layout.position.max() == limit - 1


SOFT_RUN = [5, *[SOFT] * SOFT_TOKENS, 6]


class TestRefusals:
    @pytest.mark.parametrize(
        ("ids", "words"),
        [
            ([[2, 7]], "ids: list of shape []; pass an int64 tensor"),
            (torch.tensor([2, 7]), "ids: torch.int64 of shape [2]; pass"),
            (torch.tensor([[2.0]]), "ids: torch.float32 of shape [1, 1]; pass"),
            (torch.tensor([[2]], dtype=torch.uint8), "ids: torch.uint8 of shape [1, 1]; pass"),
        ],
    )
    def test_ids_of_another_kind(self, ids, words):
        """As a user meets them, past the types that only the tests check."""
        from_ids = inspect.unwrap(Batch.from_ids.__func__)
        with pytest.raises(ValueError, match=re.escape(words)):
            from_ids(Batch, ids, TEXT_ONLY)

    @pytest.mark.parametrize("shape", [(0, 0), (0, 4), (2, 0)])
    def test_an_empty_batch(self, shape):
        with pytest.raises(ValueError, match=r"ids: shape \(\d, \d\) contains no token"):
            Batch.from_ids(torch.zeros(shape, dtype=torch.long), CONFIG)

    @pytest.mark.parametrize("bad", [64, 999_999, -1])
    def test_ids_outside_the_vocabulary(self, bad):
        with pytest.raises(ValueError, match=f"ids: {bad} is outside the vocabulary of 64 tokens"):
            batch_of([2, bad, 5])

    def test_the_last_row_of_the_table_is_inside(self):
        assert batch_of([0, 63]).tokens.max() == 63
        assert PRESETS["4b"].text.vocab_size == 262_208  # 64 rows more than the tokenizer has
        Batch.from_ids(torch.tensor([[262_207]]), PRESETS["4b"])
        with pytest.raises(ValueError, match="outside the vocabulary of 262144 tokens"):
            Batch.from_ids(torch.tensor([[262_144]]), PRESETS["1b"])

    @pytest.mark.parametrize("mask", [[1, 1, 0], [1, 0, 1], [0, 1, 0]])
    def test_padding_right_of_a_token(self, mask):
        with pytest.raises(ValueError, match="padding to the right of a token; pad on the left"):
            batch_of([5, 6, 7], mask=[mask])

    def test_a_row_of_padding(self):
        with pytest.raises(ValueError, match="a row is all padding; leave it out"):
            batch_of([5, 6], [0, 0], mask=[[1, 1], [0, 0]])

    def test_a_prompt_longer_than_max_positions(self):
        limit = CONFIG.text.max_position_embeddings
        with pytest.raises(ValueError, match=f"{limit + 1} tokens .* max_position_.*={limit}"):
            batch_of([5] * (limit + 1))

    @pytest.mark.parametrize("images", [0, 1, 3])
    def test_more_or_fewer_images_than_placeholders(self, images):
        with pytest.raises(ValueError, match=f"images: {images} given for 2 runs of soft tokens"):
            batch_of(SOFT_RUN + SOFT_RUN, images=images)

    def test_images_without_a_placeholder(self):
        with pytest.raises(ValueError, match="images: 1 given for 0 runs of soft tokens"):
            batch_of([5, 6], images=1)

    def test_an_image_for_a_text_only_model(self):
        with pytest.raises(ValueError, match="images: 1 given, but this model is text-only"):
            Batch.from_ids(torch.tensor([SOFT_RUN]), TEXT_ONLY, pixels(1))
        trusting = dataclasses.replace(batch_of([5, 6]), images=pixels(1))
        with pytest.raises(ValueError, match="images: 1 given, but this model is text-only"):
            tiny_model(TEXT_ONLY).embed(trusting)

    @pytest.mark.parametrize("size", [4, 9])
    def test_pixels_of_another_size(self, size):
        with pytest.raises(ValueError, match=rf"\(1, 3, {size}, {size}\) given; .* 3, 8, 8\)"):
            Batch.from_ids(torch.tensor([SOFT_RUN]), CONFIG, pixels(1, size))

    @pytest.mark.parametrize(
        "spoilt",
        [
            lambda x: x * 127.5 + 127.5,
            lambda x: x.masked_fill(x == x.max(), float("nan")),
            lambda x: x.masked_fill(x == x.max(), float("inf")),
            lambda x: x.masked_fill(x == x.max(), -1.01),
        ],
        ids=["0 to 255", "nan", "inf", "just outside"],
    )
    def test_pixels_of_another_range(self, spoilt):
        with pytest.raises(ValueError, match="but pixels must be floats, all in"):
            Batch.from_ids(torch.tensor([SOFT_RUN]), CONFIG, spoilt(pixels(1)))

    @pytest.mark.parametrize("length", [1, SOFT_TOKENS - 1, SOFT_TOKENS + 1, 2 * SOFT_TOKENS])
    def test_a_run_of_another_length(self, length):
        """Two images without text between them look like a long one."""
        with pytest.raises(ValueError, match=rf"\[{length}\] soft tokens in a run .* takes 4"):
            batch_of([5, *[SOFT] * length, 6], images=1)

    def test_a_model_given_other_images_than_the_layout_has(self):
        batch = batch_of(SOFT_RUN, images=1)
        with pytest.raises(ValueError, match="2 images make 8 soft tokens; the layout has room"):
            tiny_model(CONFIG).embed(dataclasses.replace(batch, images=pixels(2)))


class TestParts:
    def test_columns_take_their_images_along(self):
        """Images are stored row by row; a range of columns takes from the middle of that list."""
        batch = prompts(CONFIG, "#t#", "tt#ttttttt#", "ttttt")
        rows = batch.layout.image_id.tolist()
        begins = [row.index(n) for row in rows for n in range(1, max(row) + 1)]
        assert begins == [9, 16, 3, 16]  # the first soft token of each image
        for start in range(batch.layout.length):
            for stop in range(start + 1, batch.layout.length + 1):
                part = batch.columns(start, stop)
                inside = [i for i, column in enumerate(begins) if start <= column < stop]
                got = part.images
                assert (got is None) == (not inside)
                assert got is None or got.equal(batch.images[inside])
                assert part.tokens.equal(batch.tokens[:, start:stop])
                assert part.layout.position.equal(batch.layout.position[:, start:stop])
                assert part.layout.image_id.equal(batch.layout.image_id[:, start:stop])

    def test_columns_are_views(self):
        batch = prompts(CONFIG, "tttttt")
        assert batch.columns(2, 4).tokens.data_ptr() == batch.tokens[:, 2:].data_ptr()

    def test_next_column(self):
        batch = prompts(CONFIG, "tt#", "t")
        following = batch.layout.next_column()
        assert following.position.tolist() == [[8], [1]]
        assert following.image_id.tolist() == [[0], [0]]
        assert following.next_column().position.tolist() == [[9], [2]]

    def test_next_column_after_an_image_is_text(self):
        layout = batch_of([SOFT] * SOFT_TOKENS, images=1).layout
        assert layout.next_column().image_id.tolist() == [[0]]

    def test_followed_by(self):
        layout = prompts(CONFIG, "tt#", "t").layout
        both = layout.columns(0, 3).followed_by(layout.columns(3, layout.length))
        assert both.position.equal(layout.position)
        assert both.image_id.equal(layout.image_id)

    def test_to_another_device(self):
        batch = prompts(CONFIG, "t#", "t").to("meta")
        parts = (batch.tokens, batch.layout.position, batch.layout.image_id, batch.images)
        assert all(part.is_meta for part in parts)
        assert prompts(CONFIG, "t").to(torch.device("meta")).images is None

    def test_layouts_are_frozen(self):
        layout = prompts(CONFIG, "t").layout
        with pytest.raises(dataclasses.FrozenInstanceError):
            layout.position = layout.image_id

    def test_one_row_alone(self):
        """The helper that other tests lean on."""
        batch = prompts(CONFIG, "#t#", "t#t", "tt")
        alone = [one_row(batch, row) for row in range(3)]
        assert [real(row).all() for row in alone] == [True] * 3
        assert [row.layout.length for row in alone] == [13, 8, 2]
        assert torch.cat([row.images for row in alone[:2]]).equal(batch.images)
        assert alone[2].images is None


def test_of_text_refuses_right_padding_too():
    with pytest.raises(ValueError, match="pad on the left"):
        TokenLayout.of_text(torch.tensor([[True, False]]))


def test_bytes_are_no_pixels():
    """In a process of its own: here the hook of the tests would refuse them first."""
    script = """
import torch
from tests.model.test_layout import CONFIG, SOFT_RUN, Batch, pixels
for kind in (torch.uint8, torch.long):
    try:
        Batch.from_ids(torch.tensor([SOFT_RUN]), CONFIG, pixels(1).to(kind))
    except ValueError as error:
        print(error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        f"images: {kind}, but pixels must be floats, all in [-1, 1]"
        for kind in (torch.uint8, torch.long)
    ]
