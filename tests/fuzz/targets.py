"""What is attacked: each target makes one case from a seed, the call, and a judge of its result.

A judge says what is wrong with a result, or None. It knows what is right from another source: the
file itself, PIL, sentencepiece or safetensors, or the model without a cache.
"""

import io
import json
import math
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any, NamedTuple

import sentencepiece
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file

import gemma3_edu.__main__ as terminal
from gemma3_edu.generation.chat import chat
from gemma3_edu.generation.sampling import Sampler
from gemma3_edu.hub.checkpoint import load, save
from gemma3_edu.hub.config_json import config_from_hf, config_to_hf
from gemma3_edu.hub.processor_files import processor_from_folder
from gemma3_edu.hub.weights import our_name
from gemma3_edu.model.cache import KVCache
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.model.layout import Batch
from gemma3_edu.prompt.images import load_image
from gemma3_edu.prompt.processor import Processor
from gemma3_edu.prompt.tokenizer import Tokenizer
from tests.tiny import prompts, real, tiny_config, tiny_model
from tests.tokenizers import small_config, small_tokenizer

ODD: list[Any] = [None, True, False, -1, 0, 1, 3, 2.5, 24.0, 1e300, math.inf, math.nan, 10**30]
ODD += ["", "7", "linear", "no", "../x", "/etc/passwd", "a\0b", "x" * 999, "\x1b[2J"]
ODD += [[], [1], [[106]], {}, {"factor": 0}, ["full_attention"]]
# A count of layers as large as 10**30 is looked for by the tests of the config alone.
LARGEST = {"num_hidden_layers": 10**5}

Fields = dict[str, Any]


class Case(NamedTuple):
    """`call` may raise; `judge` gets what it returns."""

    call: Callable[[], Any]
    judge: Callable[[Any], str | None]


@cache
def checkpoint(preset: str = "tiny-text", shards: bool = False) -> Path:
    """A folder as `save` writes it, made once."""
    folder, config = Path(mkdtemp()), small_config(preset)
    torch.manual_seed(0)
    model = Gemma3(config).eval()
    limit = sum(p.nbytes for p in model.parameters()) // 2 if shards else 1 << 40
    save(model, Processor(small_tokenizer(), config), folder, shard_bytes=limit)
    return folder


def copied(folder: Path, source: Path, *left_out: str) -> Path:
    """A copy of a checkpoint to spoil, without what only transformers reads."""
    for file in source.iterdir():
        if file.name not in {"tokenizer.json", "tokenizer_config.json", *left_out}:
            shutil.copy(file, folder)
    return folder


def spoiled_bytes(r: Random, data: bytes) -> bytes:
    """Cut, lengthened, or with some bytes changed; most often near the beginning."""
    if r.random() < 0.2:
        return data[: r.randrange(len(data) + 1)]
    out = bytearray(data + bytes(r.randrange(9)))
    for _ in range(r.choice([1, 1, 3, 20])):
        out[int(len(out) * r.random() ** 4)] = r.randrange(256)
    return bytes(out)


def spoiled_json(r: Random, content: Any) -> str:
    """One value changed, taken out or added anywhere; or damaged text."""
    if r.random() < 0.1:
        return '{"a": ' + "[" * 5000
    if r.random() < 0.1:
        text = spoiled_bytes(r, json.dumps(content).encode())
        return text.decode("utf-8", "replace")
    root = json.loads(json.dumps([content]))
    node: Any = root
    key: Any = 0
    while isinstance(node[key], dict | list) and node[key]:
        if node is not root and r.random() < 0.2:
            break
        node = node[key]
        key = r.choice(list(node) if isinstance(node, dict) else range(len(node)))
    if isinstance(node, dict) and r.random() < 0.15:
        del node[key]
    elif isinstance(node, dict) and r.random() < 0.1:
        node["unknown"] = r.choice(ODD)
    else:
        value = r.choice(ODD)
        most = LARGEST.get(str(key), math.inf)
        node[key] = most if isinstance(value, int) and value > most else value
    return json.dumps(root[0])


INTEGERS = {
    "vocab_size": 262_208,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "sliding_window": 4096,
    "max_position_embeddings": 131_072,
    "num_hidden_layers": 26,
}
NUMBERS = {"query_pre_attn_scalar": 256, "rms_norm_eps": 1e-6}


def config(r: Random, folder: Path) -> Case:
    """A `config.json` of each layout; the oracle is a table of names, kinds and defaults."""
    content = config_to_hf(small_config(r.choice(["tiny", "tiny-text"])))
    if r.random() < 0.3:  # the old layout
        for part in (content, content.get("text_config", {})):
            for name in ("rope_parameters", "layer_types"):
                part.pop(name, None)
    text = json.dumps(content)
    for _ in range(r.randrange(1, 4)):
        with suppress(ValueError, RecursionError):  # no JSON any more
            text = spoiled_json(r, json.loads(text))
    (folder / "config.json").write_text(text)

    def judge(found: Any) -> str | None:
        said = json.loads((folder / "config.json").read_text())
        text = said if said["model_type"] == "gemma3_text" else said.get("text_config") or {}
        for name, default in {**INTEGERS, **NUMBERS}.items():
            want = default if text.get(name) is None else text[name]
            got = getattr(found.text, name)
            kinds = int if name in INTEGERS else (int, float)
            sane = isinstance(got, kinds) and not isinstance(want, bool) and 0 < got < math.inf
            if got != want or not sane:
                return f"{name} is {want!r} in the file and {got!r} in the config"
        for rope in (found.text.rope_local, found.text.rope_global):
            if not 0 < rope.theta < math.inf or not 0 < rope.factor < math.inf:
                return f"{rope}"
        return None

    return Case(lambda: config_from_hf(folder), judge)


def header(r: Random, folder: Path) -> Case:
    """A safetensors file; the oracle is safetensors' own reading, and that the model runs."""
    copied(folder, checkpoint())
    file = folder / "model.safetensors"
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    names, numbers = data[8 : 8 + length], data[8 + length :]
    kind = r.random()
    if kind < 0.3:
        file.write_bytes(spoiled_bytes(r, data[:8] + names)[: 8 + length] + numbers)
    elif kind < 0.6:
        spoiled = spoiled_json(r, json.loads(names)).encode()
        file.write_bytes(len(spoiled).to_bytes(8, "little") + spoiled + numbers)
    elif kind < 0.8:
        tensors = load_file(file)
        name = r.choice(list(tensors))
        other = r.choice([torch.bfloat16, torch.float16, torch.int8, torch.float64, torch.bool])
        tensors[name] = tensors[name].to(other)
        file.unlink()
        _write(tensors, file)
    else:
        file.write_bytes(data[: 8 + length] + spoiled_bytes(r, numbers)[: len(numbers)])

    def judge(found: Any) -> str | None:
        model = found[0]
        theirs = {our_name(name): tensor for name, tensor in load_file(file).items()}
        for name, ours in model.named_parameters():
            same = ours.dtype == theirs[name].dtype and ours.shape == theirs[name].shape
            if not same or not torch.equal(_bits(ours), _bits(theirs[name])):
                return f"{name} is not what the file holds"
        with torch.no_grad():
            model(Batch.from_ids(torch.tensor([[2, 7, 8]]), model.config))
        return None

    return Case(lambda: load(folder), judge)


def _write(tensors: dict[str, torch.Tensor], file: Path) -> None:
    from safetensors.torch import save_file

    save_file(tensors, file, {"format": "pt"})


def _bits(x: torch.Tensor) -> torch.Tensor:
    return x.detach().contiguous().view(torch.uint8)


def index(r: Random, folder: Path) -> Case:
    """An index of shards; right is what the shards hold together."""
    source = checkpoint(shards=True)
    copied(folder, source)
    file = folder / "model.safetensors.index.json"
    file.write_text(spoiled_json(r, json.loads(file.read_text())))

    def judge(found: Any) -> str | None:
        right = dict(load(source)[0].named_parameters())
        same = all(torch.equal(p, right[name]) for name, p in found[0].named_parameters())
        return None if same else "the weights are not those of the shards"

    return Case(lambda: load(folder), judge)


def tokenizer(r: Random, folder: Path) -> Case:
    """A `tokenizer.model`; the oracle is sentencepiece itself."""
    file = folder / "tokenizer.model"
    file.write_bytes(spoiled_bytes(r, small_tokenizer().model))

    def judge(found: Any) -> str | None:
        oracle = sentencepiece.SentencePieceProcessor()
        oracle.load(str(file))
        text = "Call me Ishmael."
        got, want = found.encode(text, add_bos=False), oracle.encode(text)
        return None if got == want else f"{got} are not sentencepiece's ids, {want}"

    return Case(lambda: Tokenizer(file), judge)


def settings(r: Random, folder: Path) -> Case:
    """The JSON files beside the tokenizer; right is what they say, value by value."""
    copied(folder, checkpoint("tiny"), "model.safetensors")
    chosen = ["generation_config", "preprocessor_config", "processor_config"]
    file = folder / f"{r.choice(chosen)}.json"
    file.write_text(spoiled_json(r, json.loads(file.read_text())))
    config = config_from_hf(folder)

    def judge(found: Any) -> str | None:
        ends = json.loads((folder / "generation_config.json").read_text()).get("eos_token_id")
        ends = ends if isinstance(ends, list) else [ends] if ends is not None else []
        for end in found.stop_tokens:
            if type(end) is not int or not 0 <= end < config.text.vocab_size:
                return f"{end!r} is no id"
        if ends and list(found.stop_tokens) != ends:
            return f"{found.stop_tokens} are not the file's {ends}"
        images = found.image_settings
        if type(images.enabled) is not bool:
            return f"do_pan_and_scan is {images.enabled!r}"
        for name in ("min_crop", "max_crops", "min_ratio"):
            value = getattr(images, name)
            if type(value) not in (int, float) or not 0 < value < math.inf:
                return f"{name} is {value!r}"
        return None

    return Case(lambda: processor_from_folder(folder, config), judge)


def picture(r: Random, folder: Path) -> Case:
    """A file of a picture, damaged or odd; the oracle is Pillow."""
    mode = r.choice(["RGB", "L", "P", "1", "RGBA", "LA", "CMYK", "I;16", "F"])
    size = (r.choice([1, 7, 30]), r.choice([1, 5, 40]))
    made = Image.new("RGB", size, "red")
    made.paste("blue", (0, 0, *[s // 2 for s in size]))
    made = made.convert({"I;16": "I", "LA": "L"}.get(mode, mode)).convert(mode)
    out = io.BytesIO()
    kind = r.choice(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
    try:
        made.save(out, kind)
    except (OSError, ValueError):  # not every kind has every mode
        out = io.BytesIO()
        made.convert("RGB").save(out, "PNG")
    data = out.getvalue()
    if r.random() < 0.6:
        data = spoiled_bytes(r, data)
    if r.random() < 0.05:
        data = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n"
    file = folder / r.choice(["a.png", "a", "a.eps"])
    file.write_bytes(data)

    def judge(found: Any) -> str | None:
        with Image.open(file) as opened:
            theirs = ImageOps.exif_transpose(opened)
        if found.mode != "RGB" or found.size != theirs.size:
            return f"{found.mode} {found.size}, but Pillow has {theirs.mode} {theirs.size}"
        if theirs.mode.startswith(("I", "F")):
            return f"mode {theirs.mode} has more than 8 bits, and they are lost"
        transparent = "A" in theirs.getbands() or "transparency" in theirs.info
        same = transparent or found.tobytes() == theirs.convert("RGB").tobytes()
        return None if same else "other pixels than Pillow's"

    source = file if r.random() < 0.5 else data
    return Case(lambda: load_image(source), judge)


_OPTIONS: dict[str, list[str]] = {
    "--model": ["nowhere", "", "a\x1b[2J", "a\0b", "nano"],
    "--image": ["nowhere.png", "config.json", ".", "\udcff"],
    "--system": ["Be brief.", "", "<start_of_turn>", "\udcff"],
    "--tokenizer": ["config.json", "nowhere", "."],
    "--dtype": ["float32", "bfloat16", "float16"],
    "--device": ["cpu", "cuda", "xyz", "meta", "cpu:99", ""],
    "--max-new-tokens": ["1", "3", "0", "-1", "9" * 30, "x", "1.5"],
    "--temperature": ["0", "1", "1e-45", "nan", "inf", "-1", "x"],
    "--top-k": ["1", "0", "-3", "9" * 30, "1.5"],
    "--top-p": ["1", "0", "1e-300", "nan", "2"],
    "--seed": ["0", "-1", "9" * 30, "x"],
    "--lesson": ["05", "99", ""],
    "--json": ["/nowhere/x", "."],
    "--tokens": ["0", "x", "9" * 30],
    "--seconds": ["nan", "0", "x"],
    "--megabytes": ["-1", "x", "9" * 30],
    "--unknown": ["1"],
}
_QUESTIONS = ["Who?", "", " ", "<bos>", "a" * 9999, "\udcff", "\x1b[2J", "--", "é😀"]


def arguments(r: Random, folder: Path) -> Case:
    """A command line; the oracle of a greedy reply is `chat`."""
    copied(folder, checkpoint())
    command = r.choice(["chat"] * 4 + ["verify", "grade", "", "x"])
    question = r.choice(_QUESTIONS) if r.random() < 0.5 else "Who?"
    chosen = {"--model": str(folder), "--max-new-tokens": "2", "--temperature": "0"}
    subject = question if command == "chat" else str(folder / r.choice(["nowhere", "config.json"]))
    options = chosen if command == "chat" else {}
    for name in r.sample(list(_OPTIONS), r.randrange(3)):
        value = r.choice(_OPTIONS[name])
        inside = name in ("--image", "--tokenizer") and value.startswith((".", "config"))
        options[name] = str(folder / value) if inside else value
    line = [command, *[word for pair in options.items() for word in pair], subject]
    out, err = io.StringIO(), io.StringIO()

    def call() -> int:
        with redirect_stdout(out), redirect_stderr(err):
            return terminal.main(line)

    def judge(status: Any) -> str | None:
        if status == 2:
            return None if err.getvalue().startswith("python -m gemma3_edu: ") else "no message"
        if status != 0 or command != "chat":
            return f"status {status} after {line}"
        if set(options) != set(chosen) or options["--temperature"] != "0":
            return None
        model, processor = load(folder)
        count = int(options["--max-new-tokens"])
        want = chat(model, processor, question, Sampler(temperature=0), count)
        return None if out.getvalue() == want + "\n" else f"{out.getvalue()!r} is not {want!r}"

    return Case(call, judge)


def history(r: Random, folder: Path) -> Case:
    """A cache fed in pieces, some wrong; the oracle is the model without a cache."""
    rows = ["t" * r.randrange(1, 30) for _ in range(r.choice([1, 1, 2]))]
    window = r.choice([3, 5, 8])
    model = tiny_model(tiny_config(window))
    batch = prompts(model.config, *rows, seed=r.randrange(99))
    total = batch.layout.length
    borders = sorted({0, total, *[r.randrange(total + 1) for _ in range(r.randrange(6))]})
    pieces = list(pairwise(borders))
    fault = r.choice([None, None, "gap", "again", "rows", "short", "window", "dtype", "breaks"])
    place = r.randrange(len(pieces))
    if fault == "gap" and len(pieces) > 1:
        del pieces[min(place, len(pieces) - 2)]
    if fault == "again":
        pieces.insert(place, pieces[place])
    config = tiny_config(window + 3).text if fault == "window" else model.config.text
    limit = total - 1 if fault == "short" and total > 1 else r.choice([None, total, total + 5])

    def call() -> torch.Tensor:
        dtype = torch.bfloat16 if fault == "dtype" else torch.float32
        store = KVCache(config, len(rows) + (fault == "rows"), limit, dtype)
        out = []
        for number, (start, stop) in enumerate(pieces):
            part = batch.columns(start, stop)
            if fault == "breaks" and number == place:
                _fails_once(model, part, store)
            with torch.no_grad():
                out.append(model(part, store))
        return torch.cat(out, 1)

    def judge(found: Any) -> str | None:
        with torch.no_grad():
            want = model(batch)
        if found.shape != want.shape:
            return f"{fault}: columns {found.shape[1]} of {want.shape[1]} were taken"
        off = float((found - want)[real(batch)].abs().max())
        return None if off < 1e-4 else f"{fault}: logits off by {off:.2g}"

    return Case(call, judge)


def _fails_once(model: Gemma3, part: Batch, store: KVCache) -> None:
    """A step that ends in its last block, as one does when memory runs out or on Ctrl-C."""

    def full(*_: Any) -> None:
        raise MemoryError

    hook = model.language_model.layers[-1].mlp.register_forward_pre_hook(full)
    try:
        with torch.no_grad():
            model(part, store)
    except MemoryError:
        pass
    finally:
        hook.remove()


TARGETS: dict[str, Callable[[Random, Path], Case]] = {
    make.__name__: make
    for make in (config, header, index, tokenizer, settings, picture, arguments, history)
}
