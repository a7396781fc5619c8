"""Mistakes in attention, rotary embedding and masks."""

from .mutant import PARITY, Mutant

ATTENTION, ROPE, MASKS = "model/attention.py", "model/rope.py", "model/masks.py"

MUTANTS = [
    # norms and scale
    Mutant(
        "QK-norm skipped for queries",
        ATTENTION,
        "apply_rope(self.q_norm(q), *rope)",
        "apply_rope(q, *rope)",
        PARITY,
    ),
    Mutant(
        "QK-norm skipped for keys",
        ATTENTION,
        "apply_rope(self.k_norm(k), *rope)",
        "apply_rope(k, *rope)",
        PARITY,
    ),
    Mutant(
        "QK-norm after the rotation",
        ATTENTION,
        "q = apply_rope(self.q_norm(q), *rope)",
        "q = self.q_norm(apply_rope(q, *rope))",
        PARITY,
    ),
    Mutant(
        "QK-norm over all heads at once",
        ATTENTION,
        "apply_rope(self.q_norm(q), *rope)",
        "apply_rope(self.q_norm(q) * (q.pow(2).mean(-1, keepdim=True)"
        " / q.pow(2).mean((-2, -1), keepdim=True)).sqrt(), *rope)",
        PARITY,
    ),
    Mutant(
        "query scale from the head size, wrong for 27B",
        ATTENTION,
        "config.query_pre_attn_scalar**-0.5",
        "config.head_dim**-0.5",
        PARITY,
    ),
    Mutant("no query scale", ATTENTION, "config.query_pre_attn_scalar**-0.5", "1.0", PARITY),
    # rotary embedding
    Mutant(
        "RoPE pairs neighbours",
        ROPE,
        "first, second = x.float().chunk(2, dim=-1)",
        "first, second = x.float().unflatten(-1, (-1, 2)).unbind(-1)",
        "model/test_rope.py",
    ),
    Mutant(
        "RoPE turns the other way",
        ROPE,
        "(first * cos - second * sin, second * cos + first * sin)",
        "(first * cos + second * sin, second * cos - first * sin)",
        "model/test_rope.py",
    ),
    Mutant(
        "the global theta on local layers",
        "model/config.py",
        "return self.rope_global if kind is AttentionType.GLOBAL else self.rope_local",
        "return self.rope_global",
        PARITY,
    ),
    Mutant(
        "the local theta on global layers",
        "model/config.py",
        "return self.rope_global if kind is AttentionType.GLOBAL else self.rope_local",
        "return self.rope_local",
        PARITY,
    ),
    Mutant(
        "factor 8 on local layers too",
        "model/config.py",
        "return self.rope_global if kind is AttentionType.GLOBAL else self.rope_local",
        "return RopeConfig((self.rope_global if kind is AttentionType.GLOBAL else self.rope_local)"
        ".theta, self.rope_global.factor)",
        PARITY,
    ),
    Mutant(
        "factor 8 missing on global layers",
        ROPE,
        "1.0 / rope.theta**pair / rope.factor",
        "1.0 / rope.theta**pair",
        PARITY,
    ),
    Mutant(
        "positions in bfloat16",
        ROPE,
        "position.float()",
        "position.bfloat16().float()",
        "parity/test_logits.py::test_positions_past_bfloat16",
    ),
    Mutant(
        "cosines and sines in bfloat16",
        ROPE,
        "return angle.cos(), angle.sin()",
        "return angle.cos().bfloat16().float(), angle.sin().bfloat16().float()",
        "model/test_rope.py",
    ),
    # heads
    Mutant(
        "key/value heads tiled over query heads, not repeated",
        ATTENTION,
        "q = q.unflatten(1, (K, G)).flatten(2, 3)  # B K GT H\n",
        "q = q.unflatten(1, (G, K)).transpose(1, 2).flatten(2, 3)\n",
        "model/test_attention.py",
    ),
    Mutant(
        "each query's mask repeated in its place, not the whole mask",
        ATTENTION,
        "mask[:, None].repeat(1, 1, G, 1)",
        "mask[:, None].repeat_interleave(G, 2)",
        "model/test_attention.py",
    ),
    Mutant(
        "masked scores of -inf: NaN for a row that sees nothing",
        ATTENTION,
        "torch.finfo(scores.dtype).min",
        'float("-inf")',
        "model/test_attention.py",
    ),
    # the window
    Mutant(
        "window ignored",
        MASKS,
        "mask if window is None else mask & within_window(q, k, window)",
        "mask",
        PARITY,
    ),
    Mutant(
        "a window on global layers too",
        "model/config.py",
        "return self.sliding_window if kind is AttentionType.LOCAL else None",
        "return self.sliding_window",
        PARITY,
    ),
    Mutant("window W + 1", MASKS, "None, :] < window\n", "None, :] <= window\n", PARITY),
    Mutant("window W - 1", MASKS, "None, :] < window\n", "None, :] < window - 1\n", PARITY),
    Mutant(
        "the window cuts an image to the right too",
        MASKS,
        "return q.position[:, :, None] - k.position[:, None, :] < window",
        "return (q.position[:, :, None] - k.position[:, None, :]).abs() < window",
        PARITY,
    ),
    Mutant(
        "an image outgrows the window to the left",
        MASKS,
        "mask & within_window(q, k, window)",
        "mask & (within_window(q, k, window) | same_image(q, k))",
        PARITY,
    ),
    # images
    Mutant(
        "two images see each other",
        MASKS,
        "(q_image == k_image) & (q_image > 0)",
        "(q_image > 0) & (k_image > 0)",
        PARITY,
    ),
    Mutant(
        "later images are seen",
        MASKS,
        "(q_image == k_image) & (q_image > 0)",
        "(q_image <= k_image) & (q_image > 0)",
        PARITY,
    ),
    Mutant(
        "text counts as one image",
        MASKS,
        "(q_image == k_image) & (q_image > 0)",
        "q_image == k_image",
        PARITY,
    ),
    Mutant("images are causal", MASKS, "(causal(q, k) | same_image(q, k))", "causal(q, k)", PARITY),
    # what else is seen
    Mutant(
        "a mask that replaces the causal one",
        MASKS,
        "not_padding(q, k) & (causal(q, k) | same_image(q, k))",
        "not_padding(q, k)",
        PARITY,
    ),
    Mutant(
        "padding is seen",
        MASKS,
        "(k.position >= 0)[:, None, :]",
        "(k.position >= -1)[:, None, :]",
        PARITY,
    ),
]
