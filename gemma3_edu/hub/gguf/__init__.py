"""GGUF, the format of llama.cpp and Ollama: read and written, with the `gguf` library.

`hub.checkpoint` imports it when a GGUF file is at hand, since the library is an extra:
`gemma3_edu[gguf]`.

"""

from .header import read_head
from .kept import keep_bits
from .reading import read_gguf
from .weights import GGUFWeights
from .writing import vision_path, write_gguf

__all__ = ["GGUFWeights", "keep_bits", "read_gguf", "read_head", "vision_path", "write_gguf"]
