"""Configs through transformers and back."""

import dataclasses
import random

import pytest
from transformers import Gemma3Config as HFConfig
from transformers import Gemma3TextConfig as HFTextConfig

from gemma3_edu.hub.config_json import config_from_hf, config_to_hf
from gemma3_edu.model.config import Gemma3Config
from gemma3_edu.model.presets import PRESETS
from tests.parity.oracle import random_config

pytestmark = pytest.mark.parity


def through(config: Gemma3Config) -> Gemma3Config:
    """What transformers reads from us and writes again."""
    kind = HFTextConfig if config.vision is None else HFConfig
    return config_from_hf(kind.from_dict(config_to_hf(config)).to_dict())


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name):
    assert through(PRESETS[name]) == PRESETS[name]


@pytest.mark.parametrize("seed", range(10))
def test_random(seed):
    config = random_config(random.Random(seed), vision=seed % 2 > 0)
    assert through(config) == config


def test_sparse_files_mean_the_defaults_of_transformers():
    text = config_from_hf(HFTextConfig().to_dict())
    assert config_from_hf({"model_type": "gemma3_text"}) == text
    whole = config_from_hf(HFConfig(vision_config={"image_size": 768}).to_dict())
    sparse = {"model_type": "gemma3", "vision_config": {"image_size": 768}}
    assert config_from_hf(sparse) == whole


@pytest.mark.parametrize("name", PRESETS)
def test_transformers_sees_what_we_mean(name):
    """Each fact under the name by which transformers' model asks for it."""
    config = PRESETS[name]
    ours = config.text
    kind = HFTextConfig if config.vision is None else HFConfig
    theirs = kind.from_dict(config_to_hf(config)).get_text_config()
    for field in dataclasses.fields(ours):
        if not field.name.startswith(("rope_", "layer_types")):
            assert getattr(theirs, field.name) == getattr(ours, field.name)
    assert theirs.layer_types == [kind.value for kind in ours.layer_types]
    for attention in set(ours.layer_types):
        rope, parameters = ours.rope(attention), theirs.rope_parameters[attention.value]
        assert parameters["rope_theta"] == rope.theta
        assert parameters.get("factor", 1.0) == rope.factor
