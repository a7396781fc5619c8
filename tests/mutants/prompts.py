"""Mistakes in what is made of a user's text and pictures, up to the batch the model reads."""

from .mutant import Mutant

LAYOUT, IMAGES = "model/layout.py", "prompt/images.py"

MUTANTS = [
    # batches
    Mutant(
        "fewer images than placeholders accepted",
        LAYOUT,
        "if given != wanted:",
        "if given > wanted:",
        "model/test_layout.py",
    ),
    Mutant(
        "more images than placeholders accepted",
        LAYOUT,
        "if given != wanted:",
        "if given < wanted:",
        "model/test_layout.py",
    ),
    Mutant(
        "a run of soft tokens of any length accepted",
        LAYOUT,
        "(lengths != config.mm_tokens_per_image).any()",
        "(lengths < 1).any()",
        "model/test_layout.py",
    ),
    Mutant(
        "padding taken for an image where its id is the placeholder's",
        LAYOUT,
        "(ids == config.image_token_index) & real if",
        "(ids == config.image_token_index) if",
        "model/test_layout.py",
    ),
    Mutant(
        "the id after the last one accepted",
        LAYOUT,
        "high >= config.text.vocab_size",
        "high > config.text.vocab_size",
        "model/test_layout.py",
    ),
    Mutant(
        "positions count padding",
        LAYOUT,
        "torch.where(real, real.long().cumsum(1) - 1, -1)",
        "torch.where(real, torch.ones_like(real).long().cumsum(1) - 1, -1)",
        "model/test_layout.py",
    ),
    Mutant(
        "images handed to the first chunk alone",
        LAYOUT,
        "(start <= starts) & (starts < stop)",
        "(starts < stop) & (start <= 0)",
        "model/test_layout.py",
    ),
    Mutant(
        "prompts longer than max positions accepted",
        LAYOUT,
        "if longest > config.text.max_position_embeddings:",
        "if longest > config.text.max_position_embeddings + 1:",
        "model/test_layout.py",
    ),
    # tokens
    Mutant(
        "BOS left out",
        "prompt/tokenizer.py",
        "ids = [self.bos_id] if add_bos else []",
        "ids: list[int] = []",
        "prompt/test_tokenizer.py prompt/test_processor.py",
    ),
    Mutant(
        "BOS twice: the template's and the tokenizer's",
        "prompt/tokenizer.py",
        "ids = [self.bos_id] if add_bos else []",
        "ids = [self.bos_id, self.bos_id] if add_bos else []",
        "prompt/test_tokenizer.py prompt/test_processor.py",
    ),
    Mutant(
        "answers end at eos alone",
        "prompt/processor.py",
        "stop_tokens = (tokenizer.eos_id, tokenizer.end_of_turn_id)",
        "stop_tokens = (tokenizer.eos_id,)",
        "prompt/test_processor.py",
    ),
    Mutant(
        "padding on the right",
        "prompt/processor.py",
        "            tokens[index, width - len(row) :] = torch.tensor(row)\n"
        "            mask[index, width - len(row) :] = 1\n",
        "            tokens[index, : len(row)] = torch.tensor(row)\n"
        "            mask[index, : len(row)] = 1\n",
        "prompt/test_processor.py",
    ),
    Mutant(
        "no newlines around an image",
        "prompt/chat_template.py",
        'f"\\n\\n{START_OF_IMAGE}{SOFT_TOKEN * soft_tokens}{END_OF_IMAGE}\\n\\n"',
        'f"{START_OF_IMAGE}{SOFT_TOKEN * soft_tokens}{END_OF_IMAGE}"',
        "prompt/test_chat_template.py",
    ),
    Mutant(
        "crops not counted among the images",
        "prompt/chat_template.py",
        '" ".join([image] * crops)',
        '" ".join([image] * (crops - 1))',
        "prompt/test_chat_template.py prompt/test_processor.py",
    ),
    # pictures
    Mutant(
        "pan and scan rounds half to even",
        IMAGES,
        "math.floor(ratio + 0.5)",
        "round(ratio)",
        "prompt/test_images.py",
    ),
    Mutant(
        "pan and scan from a ratio of 1.5, as in Google's code",
        IMAGES,
        "max_crops: int = 4, min_ratio: float = 1.2\n)",
        "max_crops: int = 4, min_ratio: float = 1.5\n)",
        "prompt/test_images.py",
    ),
    Mutant(
        "pan and scan on by default",
        IMAGES,
        "    enabled: bool = False\n",
        "    enabled: bool = True\n",
        "prompt/test_images.py prompt/test_processor.py",
    ),
    Mutant(
        "pixels in [0, 1]",
        IMAGES,
        "return pixels / 127.5 - 1",
        "return pixels / 255",
        "prompt/test_images.py",
    ),
    Mutant(
        "bicubic instead of bilinear",
        IMAGES,
        "(size, size), Image.Resampling.BILINEAR",
        "(size, size), Image.Resampling.BICUBIC",
        "parity/test_processor.py",
    ),
    # files
    Mutant(
        "float16 accepted",
        "hub/checkpoint.py",
        "    if dtype is torch.float16:\n",
        "    if dtype is torch.float64:\n",
        "hub/test_weights.py",
    ),
    Mutant(
        "the tied head loaded as a tensor of its own",
        "hub/weights.py",
        '    "lm_head.",\n    "language_model.lm_head.",\n',
        "",
        "hub/test_weights.py",
    ),
]
