"""Reading and writing weights: one table both ways; every bad folder has its own error."""

import copy
import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gemma3_edu.hub.checkpoint import load, save
from gemma3_edu.hub.weights import IGNORED, CheckpointFiles, export_weights, load_weights, our_name
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.model.presets import PRESETS


def random_model(preset: str, seed: int = 0) -> Gemma3:
    torch.manual_seed(seed)
    model = Gemma3(PRESETS[preset])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model


def blank(preset: str) -> Gemma3:
    with torch.device("meta"):
        return Gemma3(PRESETS[preset])


def same(a: Gemma3, b: Gemma3) -> bool:
    theirs = dict(b.named_parameters())
    return {n for n, _ in a.named_parameters()} == set(theirs) and all(
        torch.equal(p, theirs[n]) for n, p in a.named_parameters()
    )


@pytest.fixture
def folder(tmp_path):
    save(random_model("tiny"), None, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("preset", "count"), [("270m", 236), ("1b", 340), ("4b", 883), ("12b", 1065)]
)
def test_names_are_a_bijection_with_the_known_number_of_tensors(preset, count):
    ours = [name for name, _ in blank(preset).named_parameters()]
    theirs = list(export_weights(blank(preset)))
    assert len(theirs) == len(set(theirs)) == count
    assert [our_name(name) for name in theirs] == ours


@pytest.mark.parametrize("preset", ["tiny", "tiny-text"])
def test_round_trip_through_tensors_and_files(preset, tmp_path):
    model, other = random_model(preset), random_model(preset, seed=1)
    load_weights(other, export_weights(model))
    assert same(model, other)
    save(model, None, tmp_path, shard_bytes=20_000)
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 2
    assert same(model, load(tmp_path)[0])
    save(model, None, tmp_path)  # over itself: the shards of the first save are gone
    assert {f.name for f in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    assert same(model, load(tmp_path)[0])


def spelled(tensors: dict[str, Tensor], prefix: dict[str, str]) -> dict[str, Tensor]:
    out = {}
    for name, tensor in tensors.items():
        old = next(old for old in prefix if name.startswith(old))
        out[prefix[old] + name.removeprefix(old)] = tensor
    return out


@pytest.mark.parametrize(
    "prefix",
    [
        {
            "language_model.model.": "model.language_model.",
            "vision_tower.": "model.vision_tower.",
            "multi_modal_projector.": "model.multi_modal_projector.",
        },
        {
            "language_model.model.": "model.language_model.",
            "vision_tower.vision_model.": "model.vision_tower.",
            "multi_modal_projector.": "model.multi_modal_projector.",
        },
    ],
    ids=["transformers 4.52", "transformers 5 in memory"],
)
def test_newer_prefixes(prefix):
    model, other = random_model("tiny"), blank("tiny")
    tensors = spelled(export_weights(model), prefix)
    tensors["lm_head.weight"] = torch.zeros(3)  # tied: ignored by name, whatever it holds
    load_weights(other, tensors)
    assert same(model, other)


def test_a_text_only_load_takes_its_part_of_a_multimodal_folder(folder):
    model, _ = load(folder, text_only=True)
    whole, _ = load(folder)
    assert (model.vision, model.config.vision) == (None, None)
    assert same(model.language_model, whole.language_model)


def test_dtype_is_the_files_or_the_callers(tmp_path):
    save(random_model("tiny-text").bfloat16(), None, tmp_path)
    assert {p.dtype for p in load(tmp_path)[0].parameters()} == {torch.bfloat16}
    assert {p.dtype for p in load(tmp_path, dtype=torch.float32)[0].parameters()} == {torch.float32}
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc/self/maps")
def test_a_loaded_model_is_the_file_until_it_is_written_to(folder):
    """No copy where nothing changes; and neither file nor other models see a write."""
    one, two = load(folder)[0], load(folder)[0]
    mapped = [
        line for line in Path("/proc/self/maps").read_text().splitlines() if folder.name in line
    ]
    pages = [[int(end, 16) for end in line.split()[0].split("-")] for line in mapped]
    assert all(any(start <= p.data_ptr() < stop for start, stop in pages) for p in one.parameters())
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.add_(1)
    assert not same(one, two)
    assert same(two, load(folder)[0])
    save(one, None, folder)  # over the file that both are mapped from
    assert same(one, load(folder)[0])
    assert same(two, random_model("tiny"))


def test_given_tensors_stay_the_callers():
    tensors = {
        name: tensor.clone() for name, tensor in export_weights(random_model("tiny")).items()
    }
    model = blank("tiny")
    load_weights(model, tensors)
    with torch.no_grad():
        model.vision.encoder.post_layernorm.weight.zero_()
    assert all(tensor.any() for tensor in tensors.values())


def test_all_problems_are_listed_at_once_and_nothing_changes():
    model, before = random_model("tiny"), random_model("tiny")
    tensors = export_weights(random_model("tiny", seed=1))
    tensors.pop("language_model.model.norm.weight")
    tensors["multi_modal_projector.mm_soft_emb_norm.weight"] = torch.zeros(3)
    tensors["something.else"] = torch.zeros(1)
    tensors["model.language_model.embed_tokens.weight"] = torch.zeros(1)
    with pytest.raises(ValueError, match="4 problems") as error:
        load_weights(model, tensors)
    for part in [
        "missing tensor language_model.model.norm.weight",
        "mm_soft_emb_norm.weight has shape (3,), the config asks for (16,)",
        "unknown tensor something.else",
        "are the same parameter",
    ]:
        assert part in str(error.value)
    assert same(model, before)


def test_the_ignored_names_are_no_parameters():
    names = export_weights(blank("4b"))
    assert not [name for name in names if name.startswith(IGNORED)]


def _truncated(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])


def _sharded(folder):
    save(random_model("tiny"), None, folder, shard_bytes=20_000)


def _missing_shard(folder):
    _sharded(folder)
    next(folder.glob("model-00002*")).unlink()


def _index(folder, text):
    _sharded(folder)
    (folder / "model.safetensors.index.json").write_text(text)


def _in_place_of_weights(folder, name):
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(b"GGUF")


def _config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _half_precision(folder):
    file = folder / "model.safetensors"
    save_file({n: t.half() for n, t in load_file(file).items()}, file, {"format": "pt"})


def _doubled(folder):
    _sharded(folder)
    first, second = sorted(folder.glob("model-*"))[:2]
    save_file({**load_file(first), **load_file(second)}, first, {"format": "pt"})


OUTSIDE = json.dumps({"weight_map": {"a": "../model.safetensors"}})
BAD_FOLDERS = {
    "truncated": (_truncated, "damaged or cut short"),
    "missing shard": (_missing_shard, r"lacks the shards \['model-00002"),
    "file outside": (lambda f: _index(f, OUTSIDE), "outside its folder"),
    "absolute path": (lambda f: _index(f, OUTSIDE.replace("..", "/etc")), "outside its folder"),
    "index is no JSON": (lambda f: _index(f, "{"), "not an index of shards"),
    "index without map": (lambda f: _index(f, "[]"), "not an index of shards"),
    "doubled tensor": (_doubled, "is in two files"),
    "pickle": (lambda f: _in_place_of_weights(f, "pytorch_model.bin"), "is a pickle"),
    "checkpoint": (lambda f: _in_place_of_weights(f, "model.ckpt"), "is a pickle"),
    "gguf": (lambda f: _in_place_of_weights(f, "model.gguf"), "4 bytes are no GGUF file"),
    "adapter": (lambda f: _in_place_of_weights(f, "adapter_config.json"), "only an adapter"),
    "nothing": (lambda f: (f / "model.safetensors").unlink(), "contains no model.safetensors"),
    "no config": (lambda f: (f / "config.json").unlink(), "config.json does not exist"),
    "config is no JSON": (lambda f: (f / "config.json").write_text("{"), "is not JSON"),
    "other model": (lambda f: _config(f, model_type="llama"), "model_type='llama'"),
    "another size's config": (lambda f: _config(f, text_config={}), "has shape"),
    "quantized": (
        lambda f: _config(f, quantization_config={"quant_method": "gptq"}),
        "quantization_config .quant_method='gptq'",
    ),
    "float16 files": (_half_precision, "float16 is refused"),
}


@pytest.mark.parametrize("case", BAD_FOLDERS)
def test_bad_folders(folder, case):
    spoil, message = BAD_FOLDERS[case]
    load(folder)  # good before
    spoil(folder)
    with pytest.raises(ValueError, match=message):
        load(folder)


def test_other_refusals(folder):
    with pytest.raises(ValueError, match="65,504"):
        load(folder, dtype=torch.float16)
    with pytest.raises(ValueError, match="neither a folder, a GGUF file nor one of the bundled"):
        load(folder / "nowhere")
    with pytest.raises(ValueError, match="does not exist"):
        CheckpointFiles(folder / "nowhere")
    (folder / "a.bin").touch()
    with pytest.raises(ValueError, match="is a pickle"):
        CheckpointFiles(folder / "a.bin")
    (folder / "a.gguf").touch()
    with pytest.raises(ValueError, match="is GGUF"):
        CheckpointFiles(folder / "a.gguf")


def test_tensors_without_numbers_change_nothing():
    model, before = random_model("tiny"), random_model("tiny")
    tensors = export_weights(random_model("tiny", seed=1))
    name = list(tensors)[20]
    tensors[name] = tensors[name].to("meta")
    with pytest.raises(ValueError, match=f"1 problems.*\n  {name} is on the meta device"):
        load_weights(model, tensors)
    assert same(model, before)


def test_a_source_that_fails_halfway_leaves_a_meta_model_as_it_was(monkeypatch):
    class Failing(dict):
        def __getitem__(self, name):
            if name == "language_model.model.norm.weight" and self.armed:
                raise MemoryError
            return super().__getitem__(name)

    model, tensors = blank("tiny"), Failing(export_weights(random_model("tiny")))
    tensors.armed = False
    normal = Tensor.to

    def to(tensor, *args, **kwargs):
        tensors.armed = True
        return normal(tensor, *args, **kwargs)

    monkeypatch.setattr(Tensor, "to", to)
    with pytest.raises(MemoryError):
        load_weights(model, tensors)
    assert all(parameter.is_meta for parameter in model.parameters())


def test_names_from_a_file_are_short_and_steer_no_terminal(folder):
    file = folder / "model.safetensors"
    strange = {f"\x1b[2J\r\u202e{number}": torch.zeros(1) for number in range(3000)}
    save_file({**load_file(file), **strange, "long" * 9000: torch.zeros(1)}, file, {"format": "pt"})
    with pytest.raises(ValueError, match="3001 problems") as error:
        load(folder)
    message = str(error.value)
    assert message.replace("\n", "").isprintable()
    assert len(message) < 6000
    assert message.endswith("and 2981 more")


def test_a_copy_in_memory_does_not_see_what_is_written_to_the_file(folder):
    """The way out of the one danger of a mapped file, which `load` names."""
    assert "copy.deepcopy(model)" in load.__doc__
    model, _ = load(folder)
    memory = copy.deepcopy(model)
    file = folder / "model.safetensors"
    length = file.stat().st_size
    with file.open("r+b") as stream:  # the same file, as `cp` writes it
        stream.seek(length // 2)
        stream.write(bytes(length - length // 2))
    assert same(memory, random_model("tiny"))
    assert not same(model, memory)


@pytest.mark.parametrize("name", [3, None, ["model.safetensors"], "x" * 999])
def test_an_index_with_a_name_that_is_none(name, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(ValueError, match=r"names files outside its folder|is not an index"):
        CheckpointFiles(tmp_path)


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        (torch.int8, "tensors of I8; load the checkpoint"),
        (torch.float8_e4m3fn, "tensors of F8_E4M3; load"),
        (torch.float32, "BF16 and F32 are mixed.*pass dtype="),
    ],
)
def test_tensors_of_a_dtype_that_the_others_have_not(dtype, message, folder):
    file = folder / "model.safetensors"
    tensors = {name: tensor.bfloat16() for name, tensor in load_file(file).items()}
    norm = next(name for name in tensors if name.endswith("model.norm.weight"))
    save_file({**tensors, norm: tensors[norm].to(dtype)}, file, {"format": "pt"})
    with pytest.raises(ValueError, match=message):
        load(folder)
    if dtype is torch.float32:
        model, _ = load(folder, dtype=torch.bfloat16)
        assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
