"""Configs: every layout of `config.json` in the world, there and back, and what is refused."""

import json

import pytest

from gemma3_edu.hub.config_json import config_from_hf, config_to_hf
from gemma3_edu.model.config import RopeConfig
from gemma3_edu.model.presets import PRESETS
from tests.tiny import tiny_config

LINEAR = {"factor": 8.0, "rope_type": "linear"}
TOP = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "boi_token_index": 255_999,
    "eoi_token_index": 256_000,
    "eos_token_id": [1, 106],
    "image_token_index": 262_144,
    "initializer_range": 0.02,
    "mm_tokens_per_image": 256,
    "model_type": "gemma3",
    "torch_dtype": "bfloat16",
    "vision_config": {
        "hidden_size": 1152,
        "image_size": 896,
        "intermediate_size": 4304,
        "model_type": "siglip_vision_model",
        "num_attention_heads": 16,
        "num_hidden_layers": 27,
        "patch_size": 14,
        "vision_use_head": False,
    },
}
# As the released multimodal files are: what equals the class's defaults is left out.
SPARSE = {
    "4b": {
        "hidden_size": 2560,
        "intermediate_size": 10_240,
        "model_type": "gemma3_text",
        "num_hidden_layers": 34,
        "rope_scaling": LINEAR,
        "sliding_window": 1024,
    },
    "12b": {
        "hidden_size": 3840,
        "intermediate_size": 15_360,
        "model_type": "gemma3_text",
        "num_attention_heads": 16,
        "num_hidden_layers": 48,
        "num_key_value_heads": 8,
        "rope_scaling": LINEAR,
        "sliding_window": 1024,
    },
    "27b": {
        "head_dim": 128,
        "hidden_size": 5376,
        "intermediate_size": 21_504,
        "model_type": "gemma3_text",
        "num_attention_heads": 32,
        "num_hidden_layers": 62,
        "num_key_value_heads": 16,
        "query_pre_attn_scalar": 168,
        "rope_scaling": LINEAR,
        "sliding_window": 1024,
    },
}
# As the released text-only files are: everything, in the old names.
FLAT_1B = {
    "architectures": ["Gemma3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "attn_logit_softcapping": None,
    "bos_token_id": 2,
    "cache_implementation": "hybrid",
    "eos_token_id": [1, 106],
    "final_logit_softcapping": None,
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": 1152,
    "initializer_range": 0.02,
    "intermediate_size": 6912,
    "max_position_embeddings": 32_768,
    "model_type": "gemma3_text",
    "num_attention_heads": 4,
    "num_hidden_layers": 26,
    "num_key_value_heads": 1,
    "pad_token_id": 0,
    "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-06,
    "rope_local_base_freq": 10_000,
    "rope_scaling": None,
    "rope_theta": 1_000_000,
    "sliding_window": 512,
    "sliding_window_pattern": 6,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "vocab_size": 262_144,
}
NEW_ROPE = {
    "full_attention": {"rope_theta": 1e6, "rope_type": "linear", "factor": 8.0},
    "sliding_attention": {"rope_theta": 1e4, "rope_type": "default"},
}


def sparse(name: str, **changes: object) -> dict:
    return {**TOP, "text_config": SPARSE[name], **changes}


class TestReading:
    @pytest.mark.parametrize("name", SPARSE)
    def test_sparse_files(self, name):
        assert config_from_hf(sparse(name)) == PRESETS[name]

    def test_the_flat_1b_file(self):
        assert config_from_hf(FLAT_1B) == PRESETS["1b"]

    def test_270m(self):
        sizes = {"hidden_size": 640, "intermediate_size": 2048, "num_hidden_layers": 18}
        assert config_from_hf({**FLAT_1B, **sizes}) == PRESETS["270m"]

    def test_new_names(self):
        types = [kind.value for kind in PRESETS["4b"].text.layer_types]
        text = {key: value for key, value in SPARSE["4b"].items() if key != "rope_scaling"}
        text |= {"rope_parameters": NEW_ROPE, "layer_types": types}
        assert config_from_hf({**TOP, "text_config": text}) == PRESETS["4b"]

    def test_an_irregular_order_of_layers(self):
        types = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]
        text = {"model_type": "gemma3_text", "num_hidden_layers": 4, "layer_types": types}
        read = config_from_hf(text)
        assert [kind.value for kind in read.text.layer_types] == types
        written = config_to_hf(read)
        assert "sliding_window_pattern" not in written  # no period says it
        assert config_from_hf(written) == read

    def test_the_oldest_name_of_a_rope_type(self):
        text = {**SPARSE["4b"], "rope_scaling": {"factor": 8.0, "type": "linear"}}
        assert config_from_hf({**TOP, "text_config": text}) == PRESETS["4b"]

    def test_null_is_as_good_as_absent(self):
        nothing = {
            "rope_scaling": None,
            "sliding_window_pattern": None,
            "quantization_config": None,
        }
        assert config_from_hf({**FLAT_1B, **nothing}) == PRESETS["1b"]

    def test_a_file_and_its_folder(self, tmp_path):
        file = tmp_path / "config.json"
        file.write_text(json.dumps(FLAT_1B), encoding="utf-8")
        for source in (file, tmp_path, str(file), str(tmp_path)):
            assert config_from_hf(source) == PRESETS["1b"]

    def test_the_source_stays_as_it_is(self):
        before = json.dumps(source := sparse("27b"))
        config_from_hf(source)
        assert json.dumps(source) == before


@pytest.mark.parametrize("name", PRESETS)
def test_there_and_back(name):
    written = config_to_hf(PRESETS[name])
    assert config_from_hf(json.loads(json.dumps(written))) == PRESETS[name]
    text = written.get("text_config", written)
    old = {key: text[key] for key in text if key not in ("rope_parameters", "layer_types")}
    new = {key: text[key] for key in text if not key.startswith(("rope_", "sliding_window_p"))}
    new["rope_parameters"] = text["rope_parameters"]
    for names in (old, new):  # either set of names says it all
        alone = {**written, "text_config": names} if "text_config" in written else names
        assert config_from_hf(alone) == PRESETS[name]


def test_a_factor_on_local_layers_cannot_be_written():
    config = tiny_config(rope_local=RopeConfig(1e4, 2.0))
    with pytest.raises(ValueError, match=r"rope_local: factor=2\.0"):
        config_to_hf(config)


def change(text: dict | None = None, vision: dict | None = None, **top: object) -> dict:
    source = sparse("4b", **top)
    source["text_config"] = {**source["text_config"], **(text or {})}
    source["vision_config"] = {**source["vision_config"], **(vision or {})}
    return source


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (change(model_type="gemma2"), "model_type='gemma2' is not Gemma 3"),
        ({}, "model_type=None is not Gemma 3"),
        (change(quantization_config={"quant_method": "awq"}), r"quant_method='awq'\) marks quant"),
        (change(tie_word_embeddings=False), "tie_word_embeddings=False; Gemma 3 has True"),
        (change({"tie_word_embeddings": False}), "tie_word_embeddings=False; Gemma 3 has True"),
        (change({"hidden_activation": "gelu"}), "hidden_activation='gelu'; Gemma 3 has 'gelu_py"),
        (change({"attention_bias": True}), "attention_bias=True; Gemma 3 has False"),
        (change({"attn_logit_softcapping": 50.0}), "attn_logit_softcapping=50.0; .* has None"),
        (change({"final_logit_softcapping": 30.0}), "final_logit_softcapping=30.0; .* has None"),
        (change({"use_bidirectional_attention": True}), "use_bidirectional_attention=True"),
        (change({"layer_types": ["full_attention"]}), "layer_types has 1 entries .*_layers=34"),
        (change({"layer_types": ["chunked"] * 34}), r"layer_types names \['chunked'\]"),
        (change({"rope_scaling": {"rope_type": "yarn", "factor": 8}}), "rope_type='yarn'"),
        (change({"rope_parameters": {"chunked": {}}}), r"rope_parameters names \['chunked'\]"),
        (change({"head_dim": 255}), "head_dim=255 is odd"),
        (change(vision={"hidden_act": "gelu"}), "vision_config: hidden_act='gelu'"),
        (change(vision={"model_type": "clip"}), "vision_config: model_type='clip'"),
        (change(vision={"patch_size": 15}), "image_size=896 is not a multiple of patch_size=15"),
        (change(mm_tokens_per_image=100), "mm_tokens_per_image=100 must be the square"),
    ],
)
def test_what_is_not_gemma_3_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        config_from_hf(source)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist; every checkpoint folder has one"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[1]", "contains a list, not an object"),
    ],
)
def test_bad_files(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        config_from_hf(tmp_path)
