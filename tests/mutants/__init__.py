"""Known mistakes in Gemma 3 implementations, each as an edit of this package that a test must see.

Real ones, seen in the field: most cost nothing that generated text or perplexity would show.
`tests/mutants/test_mutants.py` plants them one at a time. What is known and not here, since the
package has no place for it:

- Weights of GGUF files hold 1 + w: the copy has no such files; see tests/hub/test_gguf.py.
- Flash attention's window (W, W) sees a key too many: no such kernel is called; W + 1 is here.
- The cache's length asked from layer 0, a local one: positions come with the tokens, never from the
  cache; positions that restart and layouts that go by slot are here.
- Rewinding a wrapped ring, or sharing its prefix: the cache has neither operation.
- Fused projections split in the wrong order (q before k before v, up before gate): none is fused;
  gate and up swapped is here.
- The vision tower's pooling head: it is never built; its weights are left out by name.
- A 262k-wide row of logits for every prompt token: the head is asked for one column (here).
- Training on blocks shorter than the window: a matter of training, not of the model.
"""

from . import attention, cache, numerics, prompts, settings
from .mutant import Mutant

MUTANTS: list[Mutant] = [
    *numerics.MUTANTS,
    *attention.MUTANTS,
    *cache.MUTANTS,
    *prompts.MUTANTS,
    *settings.MUTANTS,
]
