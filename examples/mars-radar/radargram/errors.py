"""What can be wrong with a radar product; each is the error type in a failed item's record."""

from itemkit import PermanentError


class InvalidLabel(PermanentError):
    """The object has no PDS3 label, or one that contradicts itself or describes no radar frames."""


class TruncatedProduct(PermanentError):
    """The object has fewer bytes than its label promises."""


class InvalidFrame(PermanentError):
    """A frame holds what cannot be: no number, an altitude no orbit has, no echo at all."""
