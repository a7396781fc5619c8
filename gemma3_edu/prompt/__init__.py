"""Words and pictures to the batch that the model reads, and ids back to words."""

from .chat_template import Message, image_text, render
from .images import ImageSettings, ImageSource, load_image, pan_and_scan, resize_and_normalize
from .processor import Processor
from .tokenizer import StreamDecoder, Tokenizer

__all__ = [
    "ImageSettings",
    "ImageSource",
    "Message",
    "Processor",
    "StreamDecoder",
    "Tokenizer",
    "image_text",
    "load_image",
    "pan_and_scan",
    "render",
    "resize_and_normalize",
]
