"""Tokenizers for tests: the small committed one, and a user's copy of the released one."""

import dataclasses
import functools
import json
from pathlib import Path

from gemma3_edu.model.config import Gemma3Config
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.prompt.tokenizer import Tokenizer

DATA = Path(__file__).parent / "data"


@functools.cache
def small_tokenizer() -> Tokenizer:
    """2,048 pieces in Gemma 3's layout, trained by `data/make_tokenizer.py`."""
    return Tokenizer(DATA / "tokenizer.model")


def small_config(preset: str = "tiny") -> Gemma3Config:
    """A test preset whose vocabulary and token indices fit `small_tokenizer`."""
    tokenizer, config = small_tokenizer(), PRESETS[preset]
    rows = tokenizer.vocab_size + (64 if config.vision else 0)
    text = dataclasses.replace(config.text, vocab_size=rows, max_position_embeddings=4096)
    return dataclasses.replace(
        config,
        text=text,
        boi_token_index=tokenizer.boi_id,
        eoi_token_index=tokenizer.eoi_id,
        image_token_index=tokenizer.soft_id,
    )


def sentencepiece_of(tokenizer_json: Path) -> bytes:
    """The SentencePiece model that a released `tokenizer.json` was made from, as far as it tells.

    Made in memory for one test run; nothing of it may be kept (Gemma Terms of Use).
    """
    from sentencepiece.sentencepiece_model_pb2 import ModelProto, TrainerSpec

    content = json.loads(tokenizer_json.read_text(encoding="utf-8"))
    pieces = sorted(content["model"]["vocab"].items(), key=lambda item: item[1])
    added = {token["id"] for token in content["added_tokens"]}
    first = dict(pieces)["<0xFF>"] + 1  # of the merged pieces, which score by their rank
    kinds = ModelProto.SentencePiece
    model = ModelProto()
    for text, index in pieces:
        score = 0.0
        if index <= 3:
            kind = kinds.UNKNOWN if text == "<unk>" else kinds.CONTROL
        elif index in added:
            kind = kinds.USER_DEFINED
        elif index < first:
            kind = kinds.BYTE
        else:
            kind, score = kinds.NORMAL, float(first - index)
        model.pieces.add(piece=text, score=score, type=kind)
    spec = model.trainer_spec
    spec.model_type, spec.vocab_size, spec.byte_fallback = TrainerSpec.BPE, len(pieces), True
    spec.pad_id, spec.eos_id, spec.bos_id, spec.unk_id = 0, 1, 2, 3
    spec.pad_piece, spec.eos_piece, spec.bos_piece = "<pad>", "<eos>", "<bos>"
    spec.unk_piece = "<unk>"
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = False
    model.normalizer_spec.remove_extra_whitespaces = False
    return model.SerializeToString()
