"""Pixels and what they mean: modes that can be resampled, profiles to sRGB, modes that formats hold."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageCms

from functions.image_resize.geometry import Placement
from functions.image_resize.options import Colour

# What is resampled in place of each of Pillow's modes. Averages of palette indices mean nothing, of bits too little.
_RESAMPLED_AS = {
    **{mode: mode for mode in ("L", "LA", "RGB", "RGBA", "CMYK", "I;16", "I;16B")},
    **{"1": "L", "P": "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB"},
}
_WITH_ALPHA = {"1": "LA", "L": "LA", "P": "RGBA", "RGB": "RGBA"}
_DEEP = ("I;16", "I;16B")
_WHITE: Colour = (255, 255, 255)
_SRGB = ImageCms.createProfile("sRGB")


def is_known(mode: str) -> bool:
    """Tell whether a mode's values have a known range and colour; 32-bit samples have none, LAB is not RGB."""
    return mode in _RESAMPLED_AS


def resampleable(image: Image.Image) -> Image.Image:
    """Return the picture in a mode whose values can be averaged, with the transparency its palette or header tells."""
    mode = _RESAMPLED_AS[image.mode]
    if image.has_transparency_data:
        mode = _WITH_ALPHA.get(image.mode, mode)
    return image if mode == image.mode else image.convert(mode)


def to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Bring a picture's colours from a usable profile to sRGB, grey staying grey.

    CMYK without one is converted by complement; anything else without one is sRGB already.
    """
    image = to_8_bits(image) if icc else image
    colour = image.convert(image.mode[:-1]) if image.mode in ("LA", "RGBA") else image
    transform = _transform(icc, colour.mode) if icc else None
    if transform is None:
        return image.convert("RGB") if image.mode == "CMYK" else image
    converted: Image.Image = transform.apply(colour)
    if colour.mode == "L":
        converted = converted.convert("L")
    if colour is not image:
        converted.putalpha(image.getchannel("A"))
    return converted


def is_usable(icc: bytes, mode: str) -> bool:
    """Tell whether a profile can be read and is for the colours of a mode."""
    resampled = "L" if mode in _DEEP else _RESAMPLED_AS[mode]
    return _transform(icc, resampled if resampled == "L" else resampled.removesuffix("A")) is not None


@lru_cache(maxsize=8)
def _transform(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile to sRGB, ``None`` when it cannot be gone."""
    try:
        return ImageCms.buildTransform(ImageCms.ImageCmsProfile(BytesIO(icc)), _SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None


def fitted(image: Image.Image, modes: tuple[str, ...], ground: Colour | None) -> Image.Image:
    """Return the picture in ``RGB`` or one of ``modes``, losing as little as they allow.

    Where they hold no transparency it is laid on ``ground``, or on white.
    """
    if image.mode in _DEEP:
        image = image if "I;16" in modes else to_8_bits(image)
    if image.mode == "LA" and "LA" not in modes:
        image = image.convert("RGBA") if "RGBA" in modes else _flattened(image, ground or _WHITE)
    if image.mode == "RGBA" and "RGBA" not in modes:
        image = _flattened(image, ground or _WHITE)
    return image.convert("RGB") if image.mode == "L" and "L" not in modes else image


def to_8_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits; Pillow's own conversion would cut off everything above 255."""
    if image.mode not in _DEEP:
        return image
    return image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")


def levelled(image: Image.Image, black: int, white: int) -> Image.Image:
    """Return 16-bit grey that goes from ``black`` to ``white`` so that it goes from 0 to 65,535."""
    scale = 65_535 / (white - black)
    return image.convert("I").point(lambda value: value * scale + (0.5 - black * scale)).convert("I;16")


def on_canvas(image: Image.Image, placement: Placement, ground: Colour | None) -> Image.Image:
    """Lay an image in sRGB on its canvas: of the colour ``ground``, else white, or nothing where it has alpha."""
    if image.size == placement.canvas:
        return image
    image = _holding(image, ground or _WHITE)
    canvas = Image.new(image.mode, placement.canvas, _painted(image.mode, ground))
    canvas.paste(image, placement.corner)
    return canvas


def _flattened(image: Image.Image, ground: Colour) -> Image.Image:
    mask, image = image.getchannel("A"), _holding(image, ground)
    opaque = image.convert(image.mode[:-1])
    canvas = Image.new(opaque.mode, image.size, _painted(opaque.mode, ground))
    canvas.paste(opaque, mask=mask)
    return canvas


def _holding(image: Image.Image, colour: Colour) -> Image.Image:
    """Return the image in a mode that holds a colour beside its own."""
    if len(set(colour)) == 1 or image.mode.startswith("RGB"):
        return image
    return to_8_bits(image).convert("RGBA" if image.mode == "LA" else "RGB")


def _painted(mode: str, ground: Colour | None) -> int | tuple[int, ...]:
    """Return a colour in a mode's own terms; ``None`` is white, and nothing where the mode has alpha."""
    colour, alpha = ground or _WHITE, 0 if ground is None else 255
    if mode in _DEEP:
        return colour[0] * 257
    solid = colour if mode.startswith("RGB") else colour[:1]
    return (*solid, alpha) if mode.endswith("A") else solid
