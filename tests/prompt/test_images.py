"""Loading, resizing and cropping. (parity/test_processor.py compares pixels with transformers.)"""

import io
import os
import warnings

import pytest
import torch
from PIL import Image

from gemma3_edu.prompt.images import ImageSettings, load_image, pan_and_scan, resize_and_normalize


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(width: int, height: int) -> Image.Image:
    """Every pixel tells where it was."""
    return Image.merge(
        "RGB",
        [
            Image.linear_gradient("L").resize((width, height)),
            Image.linear_gradient("L").rotate(90).resize((width, height)),
            Image.radial_gradient("L").resize((width, height)),
        ],
    )


def test_path_bytes_and_image_are_the_same_picture(tmp_path):
    image = gradient(30, 20)
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(image))
    for source in (image, path, str(path), path.read_bytes()):
        loaded = load_image(source)
        assert loaded.mode == "RGB"
        assert loaded.tobytes() == image.tobytes()


def test_a_file_is_turned_upright_and_a_pil_image_is_not(tmp_path):
    image = gradient(30, 20)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn right by 90 degrees to see it upright
    content = encoded(image, "PNG", exif=exif)
    upright = image.transpose(Image.Transpose.ROTATE_270)
    path = tmp_path / "turned.png"
    path.write_bytes(content)
    assert load_image(content).tobytes() == upright.tobytes()
    assert load_image(path).tobytes() == upright.tobytes()
    assert load_image(Image.open(io.BytesIO(content))).tobytes() == image.tobytes()


def test_transparency_is_laid_on_white():
    pixels = [(200, 0, 0, 0), (200, 0, 0, 255), (0, 0, 0, 51)]
    image = Image.new("RGBA", (3, 1))
    image.putdata(pixels)
    seen = [load_image(image).getpixel((x, 0)) for x in range(3)]
    assert seen == [(255, 255, 255), (200, 0, 0), (204, 204, 204)]
    grey = Image.new("LA", (1, 1), (100, 0))
    assert load_image(grey).getpixel((0, 0)) == (255, 255, 255)
    palette = Image.new("P", (1, 1), 0)
    palette.putpalette([9, 9, 9])
    assert load_image(palette).getpixel((0, 0)) == (9, 9, 9)
    palette.info["transparency"] = 0
    assert load_image(palette).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "CMYK", "YCbCr", "HSV"])
def test_other_modes_become_rgb(mode):
    loaded = load_image(Image.new(mode, (2, 3), 1))
    assert (loaded.mode, loaded.size) == ("RGB", (2, 3))


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_more_than_eight_bits_are_refused(mode, tmp_path):
    """Every value above 255 would be white, which is what transformers sees."""
    image = Image.new(mode, (2, 3), 1000)
    with pytest.raises(ValueError, match=f"mode {mode} has more than 8 bits; scale it"):
        load_image(image)
    image.save(tmp_path / "deep.tiff")
    with pytest.raises(ValueError, match=r"deep\.tiff: .* more than 8 bits"):
        load_image(tmp_path / "deep.tiff")


def test_no_other_program_is_started(tmp_path, monkeypatch):
    """As Ghostscript, which Pillow runs on EPS: such a file is a program, and can run for ever."""
    ghostscript, ran = tmp_path / "gs", tmp_path / "ran"
    ghostscript.write_text(f"#!/bin/sh\ntouch {ran}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)  # that it looks for it again
    content = encoded(gradient(20, 20), "EPS")
    (tmp_path / "picture.png").write_bytes(content)
    for source in (content, tmp_path / "picture.png"):
        with pytest.raises(ValueError, match="cannot identify image file"):
            load_image(source)
    assert not ran.exists()


def test_unreadable_images(tmp_path):
    whole = encoded(gradient(64, 64), "JPEG")
    (tmp_path / "note.txt").write_text("no picture")
    for source, reason in [
        (tmp_path / "absent.png", "there is no such file; addresses are not fetched"),
        ("https://example.org/picture.png", "there is no such file; addresses are not fetched"),
        (tmp_path, "there is no such file"),
        (tmp_path / "note.txt", "cannot identify image file"),
        (b"", "cannot identify image file"),
        (whole[: len(whole) // 2], "runcated"),
        (encoded(gradient(64, 64))[:-40], "cannot be read"),
        (Image.new("RGB", (0, 7)), "its size is 0 x 7"),
        (Image.new("La", (2, 2)), "not supported"),
    ]:
        with pytest.raises(ValueError, match=r"image .*cannot be read") as caught:
            load_image(source)
        assert reason in str(caught.value)


def test_damaged_files_never_raise_anything_else():
    """Every kind of damage: bytes cut off, zeroed and flipped, in several formats."""
    generator = torch.Generator().manual_seed(0)
    refused = 0
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
        content = encoded(gradient(20, 20), kind)
        for _ in range(40):
            where, value = torch.randint(len(content), (2,), generator=generator).tolist()
            damaged = bytearray(content)
            damaged[where] = value % 256
            del damaged[max(where, 30) + value :]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's remarks on damaged metadata
                try:
                    assert load_image(bytes(damaged)).mode == "RGB"
                except ValueError:
                    refused += 1
    assert refused > 50


def test_decompression_bombs(monkeypatch):
    """Pillow's limit is kept: a warning above it, an error above twice of it."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert load_image(encoded(gradient(10, 10))).size == (10, 10)
    with pytest.warns(Image.DecompressionBombWarning):
        assert load_image(encoded(gradient(10, 20))).size == (10, 20)
    with pytest.raises(ValueError, match=r"201 pixels.*limit of 200.*raise PIL\.Image\.MAX_IMAGE"):
        load_image(encoded(gradient(3, 67)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"\(.* bytes\).*exceeds limit of 100"):
            load_image(encoded(gradient(10, 20)))


def test_pixels_of_one_colour():
    """0 becomes -1 and 255 becomes 1, at any size."""
    for size in (1, 5, 36):
        image = Image.new("RGB", (17, 9), (0, 51, 255))
        pixels = resize_and_normalize(image, size)
        assert (pixels.shape, pixels.dtype) == ((3, size, size), torch.float32)
        expected = torch.tensor([-1.0, 51 / 255 * 2 - 1, 1.0])
        torch.testing.assert_close(pixels, expected[:, None, None].expand_as(pixels))


def test_shrinking_averages_every_pixel():
    """A fine chessboard is grey from afar; picking pixels would give black or white."""
    board = Image.new("L", (64, 64))
    board.putdata([255 * ((x + y) % 2) for y in range(64) for x in range(64)])
    pixels = resize_and_normalize(board.convert("RGB"), 8)
    assert pixels.abs().max() < 0.02


def test_rows_are_y():
    image = Image.new("RGB", (2, 2))
    image.putpixel((1, 0), (255, 255, 255))  # x = 1, y = 0: top right
    assert resize_and_normalize(image, 2)[0].tolist() == [[-1, 1], [-1, -1]]


# Worked by hand from the rule; the first five are of ratio and size at their borders.
CROPS = [
    ((896, 896), []),
    ((1000, 834), []),  # 1.199
    ((1200, 1000), [(600, 1000)] * 2),  # 1.2
    ((600, 240), []),  # a side of 240
    ((512, 256), [(256, 256)] * 2),
    ((511, 256), [(256, 256), (255, 256)]),
    ((510, 256), []),  # half of it is 255
    ((1120, 1600), [(1120, 800)] * 2),
    ((1024, 1536), [(1024, 768)] * 2),
    ((2499, 1000), [(1250, 1000), (1249, 1000)]),  # 2.499 rounds to 2
    ((2500, 1000), [(834, 1000), (834, 1000), (832, 1000)]),  # a half up
    ((1001, 400), [(334, 400), (334, 400), (333, 400)]),
    ((700, 300), [(350, 300)] * 2),
    ((767, 256), [(384, 256), (383, 256)]),  # a third would be 255 wide
    ((3000, 1000), [(1000, 1000)] * 3),
    ((4000, 500), [(1000, 500)] * 4),  # 8, but 4 at most
    ((300, 4000), [(300, 1000)] * 4),
    ((1, 1), []),
]


@pytest.mark.parametrize(("size", "expected"), CROPS)
def test_crops(size, expected):
    crops = pan_and_scan(Image.new("RGB", size))
    assert [crop.size for crop in crops] == expected


@pytest.mark.parametrize("size", [(1001, 400), (400, 1001), (4000, 500), (1200, 1000)])
def test_crops_joined_are_the_picture(size):
    image = gradient(*size)
    joined = Image.new("RGB", size)
    at = 0
    for crop in pan_and_scan(image):
        joined.paste(crop, (at, 0) if size[0] > size[1] else (0, at))
        at += crop.width if size[0] > size[1] else crop.height
    assert joined.tobytes() == image.tobytes()


def test_crop_settings():
    image = Image.new("RGB", (1000, 100))
    assert pan_and_scan(image) == []
    assert len(pan_and_scan(image, min_crop=50)) == 4
    assert len(pan_and_scan(image, min_crop=50, max_crops=20)) == 10
    assert len(pan_and_scan(image, min_crop=50, max_crops=20, min_ratio=10.1)) == 0
    # five columns in steps of two make three crops: none is empty
    assert [c.width for c in pan_and_scan(Image.new("RGB", (5, 1)), min_crop=1)] == [2, 2, 1]
    for name in ("min_crop", "max_crops", "min_ratio"):
        with pytest.raises(ValueError, match=f"pan_and_scan: {name}=0 must be at least 1"):
            pan_and_scan(image, **{name: 0})


def test_settings_of_a_checkpoint():
    settings = ImageSettings(enabled=True, min_crop=64, max_crops=3, min_ratio=1.5)
    assert ImageSettings.from_hf(settings.to_hf(36), 36) == settings
    assert ImageSettings.from_hf({}, 36) == ImageSettings()
    nothing = {"do_pan_and_scan": None, "pan_and_scan_min_crop_size": None, "image_mean": None}
    assert ImageSettings.from_hf(nothing, 36) == ImageSettings()
    crops = settings.crops(Image.new("RGB", (400, 100)))
    assert [crop.size for crop in crops] == [(134, 100), (134, 100), (132, 100)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", {"height": 224, "width": 224}),
        ("size", {"shortest_edge": 36}),
        ("resample", 3),
        ("image_mean", [0.48, 0.46, 0.41]),
        ("image_std", [1.0, 1.0, 1.0]),
        ("rescale_factor", 1.0),
        ("do_resize", False),
        ("do_rescale", False),
        ("do_normalize", False),
        ("do_convert_rgb", False),
    ],
)
def test_settings_gemma_was_not_trained_with(name, value):
    with pytest.raises(ValueError, match=f"preprocessor_config: {name}=.*need") as caught:
        ImageSettings.from_hf({name: value}, 36)
    assert repr(value) in str(caught.value)
