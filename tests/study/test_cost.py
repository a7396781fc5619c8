"""Costs to the unit: the published parameter counts, cache bytes, and operations as counted."""

import dataclasses

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from gemma3_edu import cost
from gemma3_edu.model.cache import KVCache
from gemma3_edu.model.config import Gemma3Config
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.model.presets import PRESETS
from tests.tiny import GLOBAL, LOCAL, prompts, tiny_config, tiny_model

SIZES = ("270m", "1b", "4b", "12b", "27b")
# Per size, in the order of SIZES.
PER_LAYER = {
    "attention": (1_638_400, 2_949_120, 15_728_640, 47_185_920, 66_060_288),
    "mlp": (3_932_160, 23_887_872, 78_643_200, 176_947_200, 346_816_512),
    "norms": (3_072, 5_120, 10_752, 15_872, 21_760),
}
NON_EMBEDDING = (100_326_016, 697_896_064, 3_209_010_688, 10_759_155_456, 25_599_716_096)
PROJECTOR = (0, 0, 2_950_272, 4_424_832, 6_194_304)
EMBEDDING = {
    262_144: (167_772_160, 301_989_888, 671_088_640, 1_006_632_960, 1_409_286_144),
    262_208: (None, None, 671_252_480, 1_006_878_720, 1_409_630_208),
}
TOTAL = {
    262_144: (268_098_176, 999_885_952, 4_299_915_632, 12_187_079_280, 27_432_062_576),
    "released": (268_098_176, 999_885_952, 4_300_079_472, 12_187_325_040, 27_432_406_640),
}
TEXT_TOTAL = (268_098_176, 999_885_952, 3_880_099_328, 11_765_788_416, 27_009_002_240)
VISION = 416_866_032
# Technical report, Table 1, in millions: vision, embedding, non-embedding.
TABLE_1 = {"1b": (0, 302, 698), "4b": (417, 675, 3209), "12b": (417, 1012, 10759)} | {
    "27b": (417, 1416, 25600)
}
each_size = pytest.mark.parametrize(("i", "name"), list(enumerate(SIZES)), ids=SIZES)


def with_vocabulary(config: Gemma3Config, rows: int) -> Gemma3Config:
    return dataclasses.replace(config, text=dataclasses.replace(config.text, vocab_size=rows))


def counted(config: Gemma3Config) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in Gemma3(config).parameters())


class TestParameters:
    @each_size
    def test_totals(self, i, name):
        config = PRESETS[name]
        unpadded = with_vocabulary(config, 262_144)
        assert cost.parameters(config) == counted(config) == TOTAL["released"][i]
        assert cost.parameters(unpadded) == counted(unpadded) == TOTAL[262_144][i]
        assert cost.parameters(unpadded.text) == TEXT_TOTAL[i]

    @each_size
    def test_parts(self, i, name):
        config = PRESETS[name]
        parts, layers = cost.parameters_by_part(config), config.text.num_hidden_layers
        for part in ("attention", "mlp"):
            assert parts[part] == layers * PER_LAYER[part][i]
        assert parts["norms"] == layers * PER_LAYER["norms"][i] + config.text.hidden_size
        assert parts["embedding"] == EMBEDDING[config.text.vocab_size][i]
        assert sum(parts[part] for part in ("attention", "mlp", "norms")) == NON_EMBEDDING[i]
        assert parts.get("vision", 0) == (VISION if config.vision else 0)
        assert parts.get("projector", 0) == PROJECTOR[i]

    @pytest.mark.parametrize("name", ["tiny", "tiny-text"])
    def test_of_odd_sizes(self, name):
        assert cost.parameters(PRESETS[name]) == counted(PRESETS[name])

    def test_parts_are_the_modules(self):
        model = tiny_model(tiny_config(vision=True))
        sizes = {name: p.numel() for name, p in model.named_parameters()}
        marks = {"embed_tokens": "embedding", "self_attn.": "attention", ".mlp.": "mlp"}
        marks |= {"norm.": "norms", "layernorm": "norms"}
        found = dict.fromkeys(cost.parameters_by_part(model.config), 0)
        for name, size in sizes.items():
            if name.startswith("vision."):
                part = "projector" if "projector" in name else "vision"
            else:
                kinds = [part for mark, part in marks.items() if mark in name]
                part = "norms" if "norms" in kinds else kinds[0]  # q_norm is self_attn's
            found[part] += size
        assert found == cost.parameters_by_part(model.config)

    @pytest.mark.parametrize("name", TABLE_1)
    def test_table_1_of_the_report(self, name):
        """All agree when rounded, but for the larger embeddings, which nobody can reproduce.

        The report has 3.9, 5.4 and 6.7 million more there than 262,144 rows make. The projector
        leaves less than one million of that open; the rows that pad the vocabulary do not help.
        """
        parts = cost.parameters_by_part(with_vocabulary(PRESETS[name], 262_144))
        vision, embedding, non_embedding = TABLE_1[name]

        def millions(*names: str) -> float:
            return sum(parts.get(part, 0) for part in names) / 1e6

        assert round(millions("attention", "mlp", "norms")) == non_embedding
        assert round(millions("vision")) == vision
        if name == "1b":
            assert round(millions("embedding")) == embedding
        else:
            assert embedding - millions("embedding") > 3
            assert embedding - cost.parameters_by_part(PRESETS[name])["embedding"] / 1e6 > 3
            assert 0.5 < embedding - millions("embedding", "projector") < 1


CONTEXTS = (1_024, 4_096, 8_192, 32_768, 131_072)
WINDOWED = {
    "270m": (11_010_048, 20_447_232, 33_030_144, 108_527_616, 410_517_504),
    "1b": (15_728_640, 28_311_552, 45_088_768, 145_752_064, 548_405_248),
    "4b": (142_606_336, 205_520_896, 289_406_976, 792_723_456, 2_805_989_376),
    "12b": (402_653_184, 603_979_776, 872_415_232, 2_483_027_968, 8_925_478_912),
    "27b": (520_093_696, 771_751_936, 1_107_296_256, 3_120_562_176, 11_173_625_856),
}
ALL_GLOBAL = {
    "270m": (18_874_368, 75_497_472, 150_994_944, 603_979_776, 2_415_919_104),
    "1b": (27_262_976, 109_051_904, 218_103_808, 872_415_232, 3_489_660_928),
    "4b": (142_606_336, 570_425_344, 1_140_850_688, 4_563_402_752, 18_253_611_008),
    "12b": (402_653_184, 1_610_612_736, 3_221_225_472, 12_884_901_888, 51_539_607_552),
    "27b": (520_093_696, 2_080_374_784, 4_160_749_568, 16_642_998_272, 66_571_993_088),
}


class TestCacheBytes:
    @pytest.mark.parametrize("name", SIZES)
    def test_table(self, name):
        text = PRESETS[name].text
        everywhere = dataclasses.replace(text, layer_types=(GLOBAL,) * text.num_hidden_layers)
        for i, context in enumerate(CONTEXTS):
            assert cost.cache_bytes(PRESETS[name], context) == WINDOWED[name][i]
            assert cost.cache_bytes(everywhere, context) == ALL_GLOBAL[name][i]

    def test_rows_and_values(self):
        config = PRESETS["tiny"]
        one = cost.cache_bytes(config, 9)
        assert one == 2 * (2 * 9 + 11 * 5) * 2 * 10 * 2  # K, V; 2 global, 11 local layers; 2 heads
        assert cost.cache_bytes(config, 9, 3) == 3 * one
        assert cost.cache_bytes(config, 9, bytes_per_value=4) == 2 * one
        assert cost.cache_bytes(config, 0) == 0


class TestFlops:
    """Against PyTorch's counter of the operations that really run, and a loop over queries.

    Compared with the counter: every Linear, the head and the whole vision tower. Not compared
    with it: the scores, since the kernel computes masked pairs too; those are counted by a loop.
    """

    @pytest.mark.parametrize(("tokens", "context", "rows"), [(7, 0, 1), (1, 6, 2), (5, 9, 3)])
    def test_linear_parts(self, tokens, context, rows):
        config = tiny_config()
        model = tiny_model(config)
        whole = prompts(config, *["t" * (context + tokens)] * rows)
        cache = KVCache(config.text, rows)
        with torch.no_grad():
            if context:
                model(whole.columns(0, context), cache)
            with FlopCounterMode(display=False) as counter:
                model(whole.columns(context, context + tokens), cache)
        found = counter.get_flop_counts()
        products = {torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm}

        def total(suffix: str) -> int:
            return sum(
                count
                for name, ops in found.items()
                if name.endswith(suffix)
                for op, count in ops.items()
                if op in products
            )

        want = cost.flops_by_part(config, tokens, context, rows, logit_columns=tokens)
        assert total(".self_attn") == want["attention"]
        assert total(".mlp") == want["mlp"]
        assert total("Global") == want["attention"] + want["mlp"] + want["head"]

    def test_vision(self):
        config = tiny_config(vision=True)
        model = tiny_model(config)
        images = torch.zeros(3, 3, config.vision.image_size, config.vision.image_size)
        written_out = sdpa_kernel(SDPBackend.MATH)  # the counter does not know the CPU's kernel
        with FlopCounterMode(display=False) as counter, torch.no_grad(), written_out:
            model.vision(images)
        assert cost.flops_by_part(config, 1, images=3)["vision"] == counter.get_total_flops()

    @pytest.mark.parametrize("window", [1, 3, 8])
    def test_scores_by_a_loop_over_queries(self, window):
        text = tiny_config(window).text
        for tokens in range(1, 11):
            for context in range(0, 11, 2):
                pairs = 0
                for kind in text.layer_types:
                    for query in range(context, context + tokens):
                        pairs += sum(
                            query - key < window or kind is not LOCAL for key in range(query + 1)
                        )
                # a multiplication and an addition for each element of q k and of weights v
                want = pairs * text.num_attention_heads * text.head_dim * 2 * 2
                assert cost.flops_by_part(text, tokens, context)["scores"] == want
                assert cost.flops_by_part(text, tokens, context, 5)["scores"] == 5 * want

    def test_the_sum(self):
        config = PRESETS["4b"]
        parts = cost.flops_by_part(config, 300, 7, 2, images=1, logit_columns=4)
        assert cost.flops(config, 300, 7, 2, 1, 4) == sum(parts.values())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: cost.cache_bytes(c, -1), "context=-1 must be at least 0"),
        (lambda c: cost.cache_bytes(c, 8, 0), "batch_size=0 must be at least 1"),
        (lambda c: cost.cache_bytes(c, 8, 1, 0), "bytes_per_value=0 must be at least 1"),
        (lambda c: cost.flops(c, 0), "tokens=0 must be at least 1"),
        (lambda c: cost.flops(c, 1, -2), "context=-2 must be at least 0"),
        (lambda c: cost.flops(c, 1, logit_columns=-1), "logit_columns=-1 must be at least 0"),
        (lambda c: cost.flops(c, 1, images=1), "images=1: this config has no vision tower"),
    ],
)
def test_bad_values(call, message):
    with pytest.raises(ValueError, match=message):
        call(PRESETS["1b"])
