"""What stands in for a bucket of a million objects: it answers LIST alone, each page after a wait.

Keys are ``photos/FOLDER/NUMBER.jpg``, the folders of unlike size, as they are. Run by itself it prints its URL and
serves until its input ends.
"""

from __future__ import annotations

import asyncio
import bisect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

BUCKET, PREFIX = "bench", "photos/"
# Seconds before every page: what a LIST of a thousand keys takes in S3, about.
SECONDS = 0.080
_PAGE = 1000
_FOLDERS = 100
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
_ENTRY = (
    "<Contents><Key>%s</Key><LastModified>2026-11-21T10:00:00.000Z</LastModified>"
    "<ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag><Size>3000000</Size>"
    "<StorageClass>STANDARD</StorageClass></Contents>"
)


class SlowS3:
    """The server as a process of its own, while the ``with`` block lasts.

    Attributes:
        url: where it listens.
    """

    def __init__(self, keys: int) -> None:
        self._keys = keys

    def __enter__(self) -> Self:
        """Wait until it listens."""
        command = [sys.executable, str(Path(__file__)), str(self._keys)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._process.stdout is None:
            raise AssertionError("started with a pipe")
        self.url = self._process.stdout.readline().strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._process.communicate()


def keys(count: int) -> Iterator[str]:
    """Yield so many keys in their order: of a hundred folders, the last has three times as many as the first."""
    weights = [_FOLDERS + 2 * number for number in range(_FOLDERS)]
    edges = [count * sum(weights[:number]) // sum(weights) for number in range(_FOLDERS + 1)]
    for number in range(_FOLDERS):
        for place in range(edges[number + 1] - edges[number]):
            yield f"{PREFIX}{number:03d}/{place:07d}.jpg"


class _Served:
    """The answers."""

    def __init__(self, count: int) -> None:
        self._all = list(keys(count))
        self._folders = sorted({key[: key.index("/", len(PREFIX)) + 1] for key in self._all})

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer call after call until the client closes."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                asked = {name: values[0] for name, values in parse_qs(urlsplit(head.split(" ", 2)[1]).query).items()}
                await asyncio.sleep(SECONDS)
                answer = self._answer(asked).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%b"
                    % (len(answer), answer)
                )
        except asyncio.IncompleteReadError:
            writer.close()

    def _answer(self, asked: dict[str, str]) -> str:
        prefix, after = asked.get("prefix", ""), asked.get("continuation-token") or asked.get("start-after", "")
        if asked.get("delimiter"):
            below = self._folders if prefix == PREFIX else []
            common = "".join(f"<CommonPrefixes><Prefix>{each}</Prefix></CommonPrefixes>" for each in below)
            return f"{_XML}<IsTruncated>false</IsTruncated>{common}</ListBucketResult>"
        first = bisect.bisect_right(self._all, max(after, prefix))
        page = self._all[first : first + _PAGE]
        more = first + _PAGE < len(self._all)
        next_page = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        entries = "".join([_ENTRY % key for key in page])
        return f"{_XML}<IsTruncated>{str(more).lower()}</IsTruncated>{next_page}{entries}</ListBucketResult>"


async def _serve(count: int) -> None:
    server = await asyncio.start_server(_Served(count).connection, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
