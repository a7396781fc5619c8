"""Mistakes in the cache and in generating with it."""

from .mutant import Mutant

CHUNKS = "model/test_cache.py::test_any_partition"
CACHE, GENERATION, SAMPLING = "model/cache.py", "generation/generate.py", "generation/sampling.py"

MUTANTS = [
    # the ring
    Mutant(
        "a chunk is written into the ring before it attends",
        CACHE,
        "    seen = torch.cat([store.narrow(-2, 0, min(length, slots)), new], dim=-2)\n"
        "    kept = new[..., -slots:, :]\n"
        "    columns = torch.arange(length + added - kept.shape[-2], length + added,"
        " device=store.device)\n"
        "    store.index_copy_(store.dim() - 2, columns % slots, kept)\n"
        "    return seen\n",
        "    kept = new[..., -slots:, :]\n"
        "    columns = torch.arange(length + added - kept.shape[-2], length + added,"
        " device=store.device)\n"
        "    store.index_copy_(store.dim() - 2, columns % slots, kept)\n"
        "    return store\n",
        CHUNKS,
    ),
    Mutant(
        "masked by slot, not by position",
        CACHE,
        "TokenLayout(pairs[..., 0], pairs[..., 1])",
        "TokenLayout(pairs[..., 0].sort(1).values, pairs[..., 1])",
        CHUNKS,
    ),
    Mutant(
        "the ring keeps W - 1 keys",
        CACHE,
        "AttentionType.LOCAL: min(config.sliding_window, max_length or config.sliding_window),",
        "AttentionType.LOCAL: max(1, min(config.sliding_window, max_length or 9999) - 1),",
        CHUNKS,
    ),
    Mutant(
        "the ring has W slots even where fewer are needed",
        CACHE,
        "AttentionType.LOCAL: min(config.sliding_window, max_length or config.sliding_window),",
        "AttentionType.LOCAL: config.sliding_window,",
        "model/test_cache_store.py",
    ),
    Mutant(
        "slots that were never written are seen",
        CACHE,
        "return store.narrow(-2, 0, min(length + added, slots))",
        "return store",
        CHUNKS,
    ),
    Mutant(
        "a chunk that wraps starts at slot 0",
        CACHE,
        "store.index_copy_(store.dim() - 2, columns % slots, kept)",
        "store.narrow(-2, 0, kept.shape[-2]).copy_(kept)",
        CHUNKS,
    ),
    Mutant(
        "every layer has a ring",
        CACHE,
        "AttentionType.GLOBAL: max_length or _FIRST_SLOTS,",
        "AttentionType.GLOBAL: min(config.sliding_window, max_length or _FIRST_SLOTS),",
        "model/test_cache_store.py",
    ),
    Mutant(
        "growing forgets what was stored",
        CACHE,
        "    grown.narrow(-2, 0, store.shape[-2]).copy_(store)\n",
        "",
        "model/test_cache_store.py",
    ),
    Mutant(
        "positions may start again in a later chunk",
        CACHE,
        "position[:, 0] = self._layouts[AttentionType.GLOBAL][:, self.length - 1, 0]",
        "position[:, 0] = new.position[:, 0] - 1",
        "model/test_cache_store.py",
    ),
    Mutant(
        "a decode step looks at values, which breaks the graph",
        CACHE,
        "        if torch.compiler.is_compiling() or new.position.is_meta:\n            return",
        "        if new.position.is_meta:\n            return",
        "fast/test_compiled.py::test_a_full_graph",
    ),
    Mutant(
        "the position of a single column is not looked at",
        CACHE,
        "        if torch.compiler.is_compiling() or new.position.is_meta:\n",
        "        if torch.compiler.is_compiling() or new.length == 1:\n",
        "model/test_cache_store.py",
    ),
    Mutant(
        "a step that broke off is forgotten",
        CACHE,
        "        self._unfinished = True\n",
        "",
        "model/test_cache_store.py",
    ),
    Mutant(
        "a cache made for another window is taken",
        "model/gemma3.py",
        "cache.begin(layout, self.config, x.dtype)",
        "cache.begin(layout, None, x.dtype)",
        "model/test_cache_store.py",
    ),
    Mutant(
        "positions start again with every chunk",
        "model/gemma3.py",
        "rope_table(layout.position, self",
        "rope_table(layout.position - layout.position[:, :1], self",
        CHUNKS,
    ),
    # chunks
    Mutant(
        "a border cuts an image",
        GENERATION,
        "while cuts_an_image[stop]:",
        "while False:",
        "generation/test_generate.py",
    ),
    Mutant(
        "borders heed the images of the first row only",
        GENERATION,
        "inside_an_image.any(0)",
        "inside_an_image[0]",
        "generation/test_generate.py",
    ),
    Mutant(
        "the head is asked for every column",
        GENERATION,
        "model.logits(hidden[:, -1:])[:, 0]",
        "model.logits(hidden)[:, -1]",
        "generation/test_generate.py",
    ),
    # decoding
    Mutant(
        "the new token sits where the last one did",
        "model/layout.py",
        "position = self.position[:, -1:] + 1",
        "position = self.position[:, -1:]",
        "generation/test_generate.py",
    ),
    Mutant(
        "one stop token only",
        GENERATION,
        "torch.tensor(sorted(stop_tokens)",
        "torch.tensor(sorted(stop_tokens)[:1]",
        "generation/test_generate.py",
    ),
    Mutant(
        "a row that has stopped goes on",
        GENERATION,
        "sampler(logits, generator).masked_fill(stopped, PAD_ID)",
        "sampler(logits, generator)",
        "generation/test_generate.py",
    ),
    Mutant(
        "the first row to stop stops all",
        GENERATION,
        "bool(stopped.all())",
        "bool(stopped.any())",
        "generation/test_generate.py",
    ),
    Mutant(
        "the last position is never used",
        GENERATION,
        "longest + max_new_tokens > limit",
        "longest + max_new_tokens >= limit",
        "generation/test_generate.py",
    ),
    # sampling
    Mutant(
        "top-p drops the token that crosses p",
        SAMPLING,
        "(before >= p)",
        "(before + probabilities >= p)",
        "generation/test_sampling.py",
    ),
    Mutant(
        "top-p keeps one more than it needs",
        SAMPLING,
        "(before >= p)",
        "(before > p)",
        "generation/test_sampling.py",
    ),
    Mutant(
        "top-p of 1 decided by a float32 sum",
        SAMPLING,
        "    if p == 1:\n",
        "    if False:\n",
        "generation/test_sampling.py",
    ),
    Mutant(
        "top-k keeps k + 1",
        SAMPLING,
        "order[:, k:]",
        "order[:, k + 1 :]",
        "generation/test_sampling.py",
    ),
    Mutant(
        "ties kept beyond k",
        SAMPLING,
        'return logits.scatter(-1, order[:, k:], float("-inf"))',
        'return logits.where(logits >= logits.gather(-1, order[:, k - 1 : k]), float("-inf"))'
        " if k <= logits.shape[1] else logits",
        "generation/test_sampling.py",
    ),
    Mutant(
        "logits times temperature",
        SAMPLING,
        "logits = logits / self.temperature",
        "logits = logits * self.temperature",
        "generation/test_sampling.py",
    ),
    Mutant(
        "compiled step: the new column in the slot after its own",
        "fast/compiled.py",
        "[cache.length % slots]",
        "[(cache.length + 1) % slots]",
        "fast/test_compiled.py::test_a_step_is_the_models",
    ),
    Mutant(
        "compiled step: several rows taken for one token",
        "fast/compiled.py",
        "batch.tokens.numel() != 1",
        "batch.tokens.shape[1] != 1",
        "fast/test_compiled.py::test_what_is_no_step_is_never_compiled",
    ),
]
