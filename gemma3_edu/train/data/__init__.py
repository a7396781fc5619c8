"""Text and pictures to learn from, written by code, with answers that are known exactly.

An example is a pure function of a seed, a split and a number, so nothing is stored and every run
can be continued. What is held out is content, never merely a seed (see `splits`).

>>> from gemma3_edu.train.data.mixture import Mixture
>>> example = Mixture("instruct", "train", seed=0).of_task("arithmetic", 1)
>>> [message.content[0] for message in example.messages()]  # user, model
['What is 53 + 22?', '53 + 22 = 73 + 2 = 75']
"""
