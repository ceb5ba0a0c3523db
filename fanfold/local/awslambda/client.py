"""Which runtime client runs in the execution environments: AWS's own where there is one, a small one elsewhere."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import sys
from enum import Enum
from pathlib import Path

_OWN = Path(__file__).with_name("runtimeclient.py")


class Client(Enum):
    """A runtime client, and how its process learns that the endpoint has ended, however that ended.

    AWS: `awslambdaric`. It knows nothing of a lifeline, so the kernel ends its process group by a signal, on Linux.
    OWN: `runtimeclient`, which needs nothing but Python and watches the lifeline itself.
    """

    AWS = "awslambdaric"
    OWN = "runtimeclient"

    def command(self, handler: str, lifeline: int) -> list[str]:
        """Return the command line; ``lifeline`` is the end of a pipe that closes when we end."""
        # -S: the site folders come by PYTHONPATH instead, so that no .pth file makes a checkout importable.
        if self is Client.AWS:
            return [sys.executable, "-S", "-m", "awslambdaric", handler]
        return [sys.executable, "-S", "-P", "-u", str(_OWN), handler, str(lifeline)]

    def tie(self, lifeline: int, group: int) -> None:
        """Have the process group ``group`` end when the other end of the pipe ``lifeline`` closes."""
        if self is Client.AWS:
            fcntl.fcntl(lifeline, fcntl.F_SETOWN, -group)
            fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)


def preferred(system: str = sys.platform) -> Client:
    """Return AWS's client where it can be imported and Linux ends its process with ours; our own elsewhere."""
    importable = all(importlib.util.find_spec(module) for module in ("awslambdaric", "runtime_client"))
    return Client.AWS if system == "linux" and importable else Client.OWN
