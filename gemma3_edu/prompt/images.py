"""Pictures to pixels: loading, resizing to the encoder's square, cutting long pictures into crops.

Every picture becomes one square whatever its shape (the aspect ratio is not kept), so each costs
the same number of soft tokens. Pan and scan (technical report, section 2.1) recovers detail in long
pictures by adding equal crops to the whole picture. The report does not give the numbers of the
rule; these are those of transformers.

>>> picture = Image.new("RGB", (1600, 896), "white")
>>> resize_and_normalize(picture, 8).shape, [crop.size for crop in pan_and_scan(picture)]
(torch.Size([3, 8, 8]), [(800, 896), (800, 896)])
"""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""Kinds of files that are opened. Pillow knows more; for some it starts other programs."""
ImageSource: TypeAlias = Image.Image | Path | bytes
"""A picture in a message: a PIL image, the path of a file, or the bytes of a file."""


def load_image(source: Image.Image | Path | bytes | str) -> Image.Image:
    """Load a picture as RGB.

    A PIL image is treated as in transformers: transparent parts become white, EXIF entries are
    ignored, and of an animation the first frame is taken. A file is first turned upright according
    to its EXIF entry. transformers does that too when it is given a path, but then it drops
    transparency, which this function does not.

    Raises ValueError for a file that is missing, damaged or of none of the `FORMATS`, for a picture
    without pixels or of more than 8 bits (which transformers makes white), and for one of more than
    twice `PIL.Image.MAX_IMAGE_PIXELS` (Pillow's guard against decompression bombs; above that
    number Pillow itself warns).
    """
    try:
        image = source if isinstance(source, Image.Image) else _open(source)
        if 0 in image.size:
            raise ValueError(f"its size is {image.width} x {image.height}")
        return _to_rgb(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"image {_name(source)}: {error}; make it smaller, or raise PIL.Image.MAX_IMAGE_PIXELS "
            "if you trust it"
        ) from error
    # Pillow's decoders fail on damaged data with OSError, SyntaxError, struct.error and others.
    except Exception as error:
        raise ValueError(f"image {_name(source)}: cannot be read: {error}") from error


def _open(source: Path | bytes | str) -> Image.Image:
    if isinstance(source, bytes):
        return ImageOps.exif_transpose(Image.open(io.BytesIO(source), formats=FORMATS))
    if not Path(source).is_file():
        raise ValueError("there is no such file; addresses are not fetched, download it first")
    with Image.open(source, formats=FORMATS) as image:  # closes the file
        return ImageOps.exif_transpose(image)


def _name(source: Image.Image | Path | bytes | str) -> str:
    if isinstance(source, Image.Image):
        return f"({source.mode}, {source.width} x {source.height})"
    if isinstance(source, bytes):
        return f"({len(source)} bytes)"
    return str(source) if isinstance(source, Path | str) else f"({type(source).__name__})"


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):  # Pillow would clip them at 255, to white
        raise ValueError(f"mode {image.mode} has more than 8 bits; scale it to 0 to 255 as mode L")
    if "A" in image.getbands() or image.info.get("transparency") is not None:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def resize_and_normalize(image: Image.Image, size: int) -> Float[Tensor, "3 Y X"]:
    """`size` x `size` pixels in [-1, 1], bilinear, averaging where the picture shrinks.

    x / 127.5 - 1 gives for every byte the same float32 as transformers' (x / 255 - 0.5) / 0.5.
    """
    square = image.resize((size, size), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)
    return pixels / 127.5 - 1


def pan_and_scan(
    image: Image.Image, min_crop: int = 256, max_crops: int = 4, min_ratio: float = 1.2
) -> list[Image.Image]:
    """Crops of equal size that cover the picture along its longer side; often none.

    There are none if the longer side is less than `min_ratio` times the shorter, or if a crop would
    have a side below `min_crop` pixels. Otherwise their number is the ratio, rounded (a half up),
    but at least 2 and at most `max_crops`. The size alone never leads to crops. The last crop is
    narrower where the side does not divide evenly.

    >>> [crop.size for crop in pan_and_scan(Image.new("RGB", (1001, 400)))]
    [(334, 400), (334, 400), (333, 400)]
    """
    for name, value in (("min_crop", min_crop), ("max_crops", max_crops), ("min_ratio", min_ratio)):
        if value < 1:
            raise ValueError(f"pan_and_scan: {name}={value} must be at least 1")
    long, short = max(image.size), min(image.size)
    ratio = long / short
    if ratio < min_ratio:
        return []
    count = math.floor(ratio + 0.5)  # a half goes up; Python's round goes to even
    count = min(count, long // min_crop)
    count = max(count, 2)
    count = min(count, max_crops)
    step = math.ceil(long / count)
    if min(step, short) < min_crop:
        return []
    ends = [(start, min(start + step, long)) for start in range(0, long, step)]
    if image.width >= image.height:
        return [image.crop((start, 0, end, short)) for start, end in ends]
    return [image.crop((0, start, short, end)) for start, end in ends]


@dataclass(frozen=True)
class ImageSettings:
    """When and how to pan and scan: what a checkpoint's `preprocessor_config.json` can choose."""

    enabled: bool = False
    min_crop: int = 256
    max_crops: int = 4
    min_ratio: float = 1.2

    def crops(self, image: Image.Image) -> list[Image.Image]:
        """`pan_and_scan` with these numbers, whether or not it is enabled."""
        return pan_and_scan(image, self.min_crop, self.max_crops, self.min_ratio)

    @classmethod
    def from_hf(cls, config: dict[str, Any], image_size: int) -> "ImageSettings":
        """Read the content of the file; `image_size` is that of the vision tower.

        Raises ValueError for a file that resizes or normalizes in another way than Gemma 3.

        >>> ImageSettings.from_hf({"do_pan_and_scan": True, "size": {"height": 8, "width": 8}}, 8)
        ImageSettings(enabled=True, min_crop=256, max_crops=4, min_ratio=1.2)
        """
        for name, only in _fixed(image_size).items():
            value = config.get(name)
            if value is not None and value != only:
                raise ValueError(
                    f"preprocessor_config: {name}={value!r}; the pixels Gemma 3 was trained on "
                    f"need {only!r}"
                )
        given = {name: config.get(hf) for name, hf in _HF_NAMES.items()}
        return cls(**{name: value for name, value in given.items() if value is not None})

    def to_hf(self, image_size: int) -> dict[str, Any]:
        """The content of `preprocessor_config.json`."""
        return {
            "image_processor_type": "Gemma3ImageProcessor",
            "processor_class": "Gemma3Processor",
            **_fixed(image_size),
            **{hf: getattr(self, name) for name, hf in _HF_NAMES.items()},
        }


_HF_NAMES = {
    "enabled": "do_pan_and_scan",
    "min_crop": "pan_and_scan_min_crop_size",
    "max_crops": "pan_and_scan_max_num_crops",
    "min_ratio": "pan_and_scan_min_ratio_to_activate",
}


def _fixed(image_size: int) -> dict[str, Any]:
    return {
        "size": {"height": image_size, "width": image_size},
        "do_convert_rgb": True,
        "do_resize": True,
        "resample": int(Image.Resampling.BILINEAR),
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
