"""image-resize: what it keeps of a picture's metadata."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from PIL.ExifTags import GPS, IFD, Base

from sample_data.draw_images import adobe_rgb_profile, encoded
from tests.functions.pictures import BLUE, GREEN, RED, WHITE, corners, quarters, resize, resized

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6" dc:rights="me"/><tiff:Orientation>6<'
XMP_UPRIGHT = XMP.replace(b"6", b"1")
# As cameras write it: UTF-8, though EXIF says ASCII. Pillow reads it as Latin-1.
RIGHTS = "© 2026 Frøya".encode().decode("latin-1")


def camera_exif(rights: str = RIGHTS) -> bytes:
    """Write the tags of a picture taken with the camera on its side."""
    tags = Image.Exif()
    tags[Base.Orientation] = 6
    tags[Base.Artist] = b"Frida"
    tags[Base.Copyright] = rights.encode("latin-1")
    tags[Base.Make] = "Camera Works"
    tags[Base.XResolution] = 300.0
    tags[IFD.Exif] = {
        Base.ExifImageWidth: 400,
        Base.ExifImageHeight: 300,
        Base.ColorSpace: 65_535,
        Base.DateTimeOriginal: "2026:06:01 12:00:00",
        Base.FNumber: 2.8,
        Base.MakerNote: b"offsets into the file",
    }
    tags[IFD.GPSInfo] = {GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: (59.0, 54.0, 30.0)}
    return tags.tobytes()


def rights_in(format_: str) -> str:
    """Return whose the picture is; Pillow itself writes and reads an AVIF's EXIF anew, and then in ASCII only."""
    return "2026 Froya" if format_ == "AVIF" else RIGHTS


def shot(format_: str) -> bytes:
    """Draw the quarters stored on their side, with all the metadata the format holds."""
    stored = quarters().transpose(Image.Transpose.ROTATE_90)
    told: dict[str, Any] = {"exif": camera_exif(rights_in(format_)), "icc_profile": adobe_rgb_profile()}
    if format_ == "PNG":
        told["pnginfo"] = PngImagePlugin.PngInfo()
        told["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
        told["pnginfo"].add_text("Comment", "made by me")
    elif format_ != "TIFF":
        told["xmp"] = XMP
    return encoded(stored, format_, **told)


def tags_of(image: Image.Image) -> dict[int, Any]:
    """Return the EXIF tags that tell of the picture, those of the directories below among them."""
    exif = image.getexif()
    top = {tag: value for tag, value in dict(exif).items() if tag > Base.Orientation or tag == Base.Make}
    storage = {*range(Base.StripOffsets, Base.PlanarConfiguration + 1), Base.ExtraSamples, Base.SampleFormat}
    pointers = {IFD.Exif, IFD.GPSInfo}
    below = {directory: dict(exif.get_ifd(directory)) for directory in pointers}
    kept = {
        tag: value for tag, value in top.items() if tag not in pointers and (tag == Base.Make or tag not in storage)
    }
    return {**kept, **{directory: entries for directory, entries in below.items() if entries}}


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_strip_is_the_default_and_leaves_nothing(format_: str):
    image = resized(shot(format_), width=60)

    assert (image.size, corners(image)) == ((60, 45), [RED, GREEN, BLUE, WHITE])
    assert not {"exif", "icc_profile", "comment", "Comment", "xmp"} & set(image.info)
    assert tags_of(image) == {}


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_copyright_keeps_whose_it_is_and_nothing_else(format_: str):
    image = resized(shot(format_), width=60, metadata="copyright")

    assert (image.size, corners(image)) == ((60, 45), [RED, GREEN, BLUE, WHITE])
    assert tags_of(image) == {Base.Artist: "Frida", Base.Copyright: rights_in(format_)}
    assert "xmp" not in image.info
    assert "icc_profile" not in image.info


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_all_keeps_what_is_still_true(format_: str):
    image = resized(shot(format_), width=60, metadata="all")

    assert (image.size, corners(image)) == ((60, 45), [RED, GREEN, BLUE, WHITE])
    assert tags_of(image) == {
        Base.Make: "Camera Works",
        Base.Artist: "Frida",
        Base.Copyright: rights_in(format_),
        IFD.Exif: {Base.DateTimeOriginal: "2026:06:01 12:00:00", Base.FNumber: 2.8},
        IFD.GPSInfo: {GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: (59.0, 54.0, 30.0)},
    }
    assert image.getexif().get(Base.Orientation, 1) == 1
    assert image.info["xmp"] == XMP_UPRIGHT
    assert "icc_profile" not in image.info


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "avif"])
def test_metadata_goes_along_into_another_format_and_every_size(format_: str):
    result = resize(shot("JPEG"), widths=[80, 40], format=format_, metadata="all")

    for output in result.outputs:
        image = Image.open(BytesIO(output.body))
        assert (image.getexif()[Base.Copyright], image.info["xmp"]) == (RIGHTS, XMP_UPRIGHT)
    assert "notes" not in result.facts


def test_an_animation_keeps_its_metadata():
    frames = [Image.new("RGB", (60, 40), colour) for colour in (RED, BLUE)]
    body = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], exif=camera_exif(), xmp=XMP)

    image = resized(body, width=20, metadata="all")

    assert (image.n_frames, image.getexif()[Base.Artist], image.info["xmp"]) == (2, "Frida", XMP_UPRIGHT)


def test_a_format_that_holds_none_says_what_is_lost():
    assert resize(shot("TIFF"), width=20, metadata="all").facts["notes"] == ["its EXIF does not go into tiff: not kept"]
    assert resized(shot("TIFF"), width=20, metadata="copyright", format="png").getexif()[Base.Artist] == "Frida"


def test_metadata_longer_than_a_segment_is_left_out_and_told():
    body = encoded(Image.new("RGB", (60, 40), RED), "WEBP", xmp=b"<x>" + b" " * 70_000)

    result = resize(body, width=20, metadata="all", format="jpeg")

    assert result.facts["notes"] == ["its XMP does not go into jpeg: not kept"]
    assert "xmp" not in Image.open(BytesIO(result.outputs[0].body)).info


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("metadata", ["copyright", "all"])
@pytest.mark.parametrize("tags", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_damaged_exif_is_not_kept(tags: bytes, metadata: str):
    result = resize(encoded(quarters(), "JPEG", exif=tags), width=64, metadata=metadata)

    image = Image.open(BytesIO(result.outputs[0].body))
    assert (corners(image), dict(image.getexif())) == ([RED, GREEN, BLUE, WHITE], {})
