"""Settings of the wrong type or size: all are named in one error, before anything is built."""

import json
import time

import pytest

from gemma3_edu import config_from_hf, load, save
from gemma3_edu.hub.ranges import RANGES, check
from tests.hub.killed_saves import made
from tests.hub.test_config_json import FLAT_1B, sparse

WRONG = {
    "num_hidden_layers": [0, -1, "7", 24.0, True, 10**9],
    "sliding_window": [64.5, float("inf"), -3, [64]],
    "sliding_window_pattern": [2.5, -6, True, 10**30],
    "query_pre_attn_scalar": [float("nan"), 0, "256"],
    "rope_theta": [0, float("inf"), {}],
    "hidden_size": [10**7, "x"],
    "rope_scaling": ["linear", 8.0, []],
    "rope_parameters": ["x", {"full_attention": 7}, {"full_attention": {"factor": "8"}}],
    "layer_types": [7, [1] * 26, "full_attention"],
    "eos_token_id": [[[106]], -1, 1.5, 10**12, "1"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, each in WRONG.items() for v in each])
def test_a_setting_of_the_wrong_type_or_size(name, value):
    began = time.process_time()
    with pytest.raises(ValueError, match=r"1 settings are wrong:\n  .* must be "):
        config_from_hf({**FLAT_1B, name: value})
    assert time.process_time() - began < 1


@pytest.mark.parametrize("part", ["text_config", "vision_config", "quantization_config"])
def test_a_part_that_is_no_object(part):
    with pytest.raises(ValueError, match=f"config: {part}='x' must be an object"):
        config_from_hf(sparse("4b", **{part: "x"}))


def test_all_that_is_wrong_is_named_at_once():
    wrong = {"text_config": {"head_dim": "256"}, "vision_config": {"num_channels": 1}}
    with pytest.raises(ValueError, match="config: 3 settings are wrong") as caught:
        config_from_hf(sparse("4b", **wrong, mm_tokens_per_image=None, boi_token_index=-2))
    for name in ("head_dim='256'", "num_channels=1", "boi_token_index=-2"):
        assert name in str(caught.value)


@pytest.mark.parametrize("part", RANGES)
def test_every_setting_of_the_table_is_compared(part):
    """With a value that no rule allows; and each rule allows its own limits."""
    for name, rule in RANGES[part].items():
        with pytest.raises(ValueError, match=f"{name}=<object"):
            check({name: object()}, part)
        if isinstance(rule, tuple):
            for allowed in rule[1:]:
                check({name: rule[0](allowed)}, part)


@pytest.mark.parametrize(
    "rope",
    [{"rope_type": "linear"}, {"factor": 8.0}, {"rope_type": "default", "factor": 8.0}],
)
def test_a_factor_is_neither_missing_nor_passed_over(rope):
    with pytest.raises(ValueError, match="'linear' needs one, 'default' has none"):
        config_from_hf({**FLAT_1B, "rope_scaling": rope})


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("preprocessor_config.json", {"do_pan_and_scan": "no"}, "'no' must be true or false"),
        ("preprocessor_config.json", {"pan_and_scan_max_num_crops": 0}, "an int from 1 to 1000"),
        ("processor_config.json", {"image_seq_length": "9"}, "image_seq_length='9' must be"),
        ("processor_config.json", {"image_processor": "fast"}, "='fast' must be an object"),
        ("generation_config.json", {"eos_token_id": [[106]]}, "or a list of them"),
        ("generation_config.json", {"eos_token_id": [1, 9999]}, r"\[9999\] .* outside the vocab"),
        ("config.json", {"eos_token_id": -1}, "eos_token_id=-1 must be an int"),
    ],
)
def test_other_files_are_compared_too(file, change, message, tmp_path):
    save(*made(0), tmp_path)
    content = json.loads((tmp_path / file).read_text())
    (tmp_path / file).write_text(json.dumps(content | change))
    with pytest.raises(ValueError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(("where", "count"), [(("text_config",), 1000), (("vision_config",), 1000)])
def test_a_count_of_layers_that_the_files_do_not_have(where, count, tmp_path):
    """Found from the names in the file, before a model of that depth is built."""
    save(*made(0), tmp_path)
    content = json.loads((tmp_path / "config.json").read_text())
    part = content[where[0]]
    part["num_hidden_layers"] = count
    part.pop("layer_types", None)
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"missing tensor .*layers\.\d+\.") as caught:
        load(tmp_path)
    assert len(str(caught.value).splitlines()) == 22  # not one for each of the missing
    assert "more" in str(caught.value).splitlines()[-1]
