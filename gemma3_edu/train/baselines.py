"""What a model of prose has to beat: a compressor, and counting.

>>> known, text = ["the cat sat on the mat. " * 20], ["the cat sat. "]
>>> gzip_bits(known, text) < 8, ngram_bits(known, text) < 2
(True, True)
"""

import gzip
import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from ..prompt.tokenizer import Tokenizer


def gzip_bits(known: Sequence[str], texts: Sequence[str]) -> float:
    """Bits a byte that `texts` add to a gzip file that already holds the end of `known`.

    gzip looks back 32 kB, so more than that of `known` would not help it.
    """
    before, new = "".join(known).encode()[-32_000:], "".join(texts).encode()
    added = len(gzip.compress(before + new, 9)) - len(gzip.compress(before, 9))
    return 8 * added / len(new)


def ngram_bits(known: Sequence[str], texts: Sequence[str], order: int = 5) -> float:
    """Bits a byte of a byte n-gram model of `known`, smoothed by Witten and Bell's rule.

    After a context seen n times with k different next bytes, the counts have weight n / (n + k)
    and the model of one byte less has the rest; without any context every byte is as likely.
    """
    data = "\n".join(known).encode()
    after: dict[bytes, Counter[int]] = defaultdict(Counter)
    for i, byte in enumerate(data):
        for size in range(min(order, i + 1)):
            after[data[i - size : i]][byte] += 1
    bits, size = 0.0, 0
    for text in texts:
        new = text.encode()
        for i, byte in enumerate(new):
            probability = 1 / 256
            for used in range(min(order, i + 1)):
                counts = after.get(new[i - used : i])
                if counts is None:
                    break
                total, kinds = counts.total(), len(counts)
                probability = (counts[byte] + kinds * probability) / (total + kinds)
            bits -= math.log2(probability)
        size += len(new)
    return bits / size


def counting_nats(tokenizer: Tokenizer, known: Sequence[str], text: str) -> float:
    """Nats a token of `text` if each token has the share that it has in `known`, whatever precedes.

    Each count is one more than it is, so that none is zero.
    """
    counts = Counter(i for each in known for i in tokenizer.encode(each, add_bos=False))
    total = counts.total() + tokenizer.vocab_size
    ids = tokenizer.encode(text, add_bos=False)
    return sum(math.log(total / (counts[i] + 1)) for i in ids) / len(ids)
