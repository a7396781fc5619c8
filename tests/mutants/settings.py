"""Mistakes in sizes, settings and costs, and in what looks at a model from outside."""

from .mutant import Mutant

PRESETS, READING, COST = "model/presets.py", "hub/config_json.py", "study/cost.py"

MUTANTS = [
    Mutant(
        "the pattern starts with a global layer",
        "model/config.py",
        "local if (i + 1) % period else everything",
        "local if i % period else everything",
        "model/test_config.py",
    ),
    Mutant(
        "all layers local",
        "model/config.py",
        "local if (i + 1) % period else everything",
        "local",
        "model/test_config.py",
    ),
    Mutant(
        "the last layer always global",
        "model/config.py",
        "local if (i + 1) % period else everything",
        "local if (i + 1) % period and i + 1 < num_hidden_layers else everything",
        "model/test_config.py",
    ),
    Mutant(
        "window 64 instead of 512",
        PRESETS,
        "1152,  6912,  4,  1, 256, 256,  512,",
        "1152,  6912,  4,  1, 256, 256,   64,",
        "hub/test_config_json.py",
    ),
    Mutant(
        "factor 8 on a size without it",
        PRESETS,
        "1152,  6912,  4,  1, 256, 256,  512, 262_144,  32_768, 1.0)",
        "1152,  6912,  4,  1, 256, 256,  512, 262_144,  32_768, 8.0)",
        "hub/test_config_json.py",
    ),
    Mutant(
        "27B's query scale from its head size",
        PRESETS,
        "32, 16, 128, 168, 1024",
        "32, 16, 128, 128, 1024",
        "hub/test_config_json.py",
    ),
    Mutant(
        "27B's head size as in the others",
        PRESETS,
        "32, 16, 128, 168, 1024",
        "32, 16, 256, 168, 1024",
        "study/test_cost.py",
    ),
    Mutant(
        "262,144 rows where the files have 262,208",
        PRESETS,
        "34, 2560, 10240,  8,  4, 256, 256, 1024, 262_208",
        "34, 2560, 10240,  8,  4, 256, 256, 1024, 262_144",
        "study/test_cost.py",
    ),
    Mutant(
        "sparse files read with 262,144 rows",
        READING,
        '"vocab_size": 262_208,',
        '"vocab_size": 262_144,',
        "hub/test_config_json.py",
    ),
    Mutant(
        "an old file's rope_scaling overlooked",
        READING,
        '**(config.get("rope_scaling") or {})',
        "",
        "hub/test_config_json.py",
    ),
    Mutant(
        "an old file's rope_theta taken for local layers",
        READING,
        '_given(config, "rope_local_base_freq", 1e4)',
        '_given(config, "rope_theta", 1e4)',
        "hub/test_config_json.py",
    ),
    Mutant(
        "a file of another activation accepted",
        READING,
        '    "hidden_activation": "gelu_pytorch_tanh",\n',
        "",
        "hub/test_config_json.py",
    ),
    # costs
    Mutant(
        "cache bytes as if every layer were global",
        COST,
        "min(context, text.sliding_window)",
        "context",
        "study/test_cost.py",
    ),
    Mutant(
        "cache bytes of W - 1 keys",
        COST,
        "min(context, text.sliding_window)",
        "min(context, text.sliding_window - 1)",
        "study/test_cost.py",
    ),
    Mutant(
        "the tied head counted twice",
        COST,
        '"embedding": text.vocab_size * d,',
        '"embedding": 2 * text.vocab_size * d,',
        "study/test_cost.py",
    ),
    Mutant(
        "the heads' width taken for the hidden size",
        COST,
        '"attention": layers * d * h * heads,',
        '"attention": layers * d * d * 4,',
        "study/test_cost.py",
    ),
    # views and changes from outside
    Mutant(
        "hooks stay after a capture",
        "study/capture.py",
        "            handle.remove()",
        "            pass",
        "study/test_capture_replace.py",
    ),
    Mutant(
        "captured outputs hold the graph",
        "study/capture.py",
        "append(output.detach())",
        "append(output)",
        "study/test_capture_replace.py",
    ),
    Mutant(
        "only the last call captured",
        "study/capture.py",
        "seen.setdefault(name, []).append(output.detach())",
        "seen[name] = [output.detach()]",
        "study/test_capture_replace.py",
    ),
    Mutant(
        "layers that stay reported as changed",
        "study/replace.py",
        "if new is not linear:",
        "if new is not None:",
        "study/test_capture_replace.py",
    ),
    Mutant(
        "plots imported with the package",
        "__init__.py",
        "__all__ = [",
        "import matplotlib\n\n__all__ = [",
        "repo/test_import.py",
    ),
]
