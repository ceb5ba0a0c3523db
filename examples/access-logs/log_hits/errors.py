"""What can be wrong with a log, and with the program it goes through."""

from __future__ import annotations

from itemkit import PermanentError, TransientError


class DamagedGzip(PermanentError):
    """The object is gzip and ends early, or its checksum is another."""


class LogTooLarge(PermanentError):
    """The log has more text than a function has time for."""


class ProgramFailed(PermanentError):
    """The program ended with an exit code that is not 0, or its rows are not what was agreed."""


class ProgramMissing(PermanentError):
    """The program is not installed where the function runs."""


class ProgramTooSlow(PermanentError):
    """The program took longer than it may."""


class TooMuchOutput(PermanentError):
    """The program wrote more than it may."""


class ProgramKilled(TransientError):
    """A signal ended the program, such as the kernel's when memory is short."""
