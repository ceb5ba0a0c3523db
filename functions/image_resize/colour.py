"""Pixels and what they mean: modes that can be resampled, profiles to sRGB, modes that formats hold."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageCms

# What is resampled in place of each of Pillow's modes. Averages of palette indices mean nothing, of bits too little.
_RESAMPLED_AS = {
    **{mode: mode for mode in ("L", "LA", "RGB", "RGBA", "CMYK", "I;16", "I;16B")},
    **{"1": "L", "P": "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB"},
}
_WITH_ALPHA = {"1": "LA", "L": "LA", "P": "RGBA", "RGB": "RGBA"}
_DEEP = ("I;16", "I;16B")
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


def fitted(image: Image.Image, modes: tuple[str, ...]) -> Image.Image:
    """Return the picture in ``RGB`` or one of ``modes``, losing as little as they allow; transparency becomes white."""
    if image.mode in _DEEP:
        image = image if "I;16" in modes else to_8_bits(image)
    if image.mode == "LA" and "LA" not in modes:
        image = image.convert("RGBA") if "RGBA" in modes else _on_white(image)
    if image.mode == "RGBA" and "RGBA" not in modes:
        image = _on_white(image)
    return image.convert("RGB") if image.mode == "L" and "L" not in modes else image


def to_8_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits; Pillow's own conversion would cut off everything above 255."""
    if image.mode not in _DEEP:
        return image
    return image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")


def _on_white(image: Image.Image) -> Image.Image:
    opaque = image.convert(image.mode[:-1])
    ground = Image.new(opaque.mode, image.size, "white")
    ground.paste(opaque, mask=image.getchannel("A"))
    return ground
