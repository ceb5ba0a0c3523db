"""What can be wrong with an image; each is the type of a failed record."""

from __future__ import annotations

from itemkit import PermanentError


class UnreadableImage(PermanentError):
    """The bytes are no image, or one that is damaged."""


class UnsupportedImage(PermanentError):
    """The bytes are an image of a kind that is not read here, such as HEIC."""


class ImageTooLarge(PermanentError):
    """The image, or what is asked of it, takes more memory than the function has, or more pixels than its format."""
