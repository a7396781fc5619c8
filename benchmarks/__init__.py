"""Speed and memory beside transformers, on the same random weights: `python -m benchmarks`.

Not part of the package: nothing of `gemma3_edu` imports it, and no wheel holds it.
"""
