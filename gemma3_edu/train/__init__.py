"""How the bundled models were made: their data, their training, their evaluation.

`data` writes examples as code, as many as asked for. `recipe` says what each stage reads and makes
small; `nano` is its command line, `evaluate` the examination afterwards. The rest are the tools of
training, each of one idea.

>>> from gemma3_edu.train.loop import Plan
>>> Plan(steps=1000, rate=2e-3).share(0)  # of its rate, in the first of 50 steps of warm-up
0.02
"""
