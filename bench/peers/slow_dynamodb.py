"""What stands in for DynamoDB: a table that takes any item, after a wait for each call.

It costs next to no processor time, so that what is measured is the loader and not the server, as it would be with an
emulator. Run by itself it prints its URL and serves until its input ends; then it prints how many different keys it
has.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# Before every answer.
SECONDS = 0.010
TABLE, KEY = "orders", "order_id"
_DESCRIBED = {
    "TableName": TABLE,
    "TableStatus": "ACTIVE",
    "KeySchema": [{"AttributeName": KEY, "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": KEY, "AttributeType": "S"}],
}


class SlowDynamoDB:
    """The server as a process of its own, while the ``with`` block lasts.

    Attributes:
        url: where it listens.
        items: how many there were in the end.
    """

    def __enter__(self) -> Self:
        """Wait until it listens."""
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._process.stdout is None:
            raise AssertionError("started with a pipe")
        self.url = self._process.stdout.readline().strip()
        self.items = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and learn how many items it has."""
        told, _ = self._process.communicate()
        self.items = int(told)


class _Served:
    """The answers, and the keys of all items put."""

    def __init__(self) -> None:
        self.keys: set[str] = set()

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer call after call until the client closes."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                if fields.get("expect"):
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                given = json.loads(await reader.readexactly(int(fields["content-length"])))
                await asyncio.sleep(SECONDS)
                answer = json.dumps(self._answer(fields["x-amz-target"].partition(".")[2], given)).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer)
                )
        except asyncio.IncompleteReadError:
            writer.close()

    def _answer(self, call: str, given: dict[str, Any]) -> dict[str, Any]:
        if call == "DescribeTable":
            return {"Table": _DESCRIBED}
        if call != "BatchWriteItem":
            raise ValueError(f"{call} is not expected here")
        puts = [each["PutRequest"]["Item"][KEY]["S"] for each in given["RequestItems"][TABLE]]
        if len(puts) > 25 or len(set(puts)) < len(puts):
            raise ValueError(f"DynamoDB would refuse these {len(puts)} items: too many, or a key twice")
        self.keys.update(puts)
        return {"UnprocessedItems": {}}


async def _serve() -> None:
    served = _Served()
    server = await asyncio.start_server(served.connection, "127.0.0.1", 0, limit=16 * 1024 * 1024)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    print(len(served.keys))


if __name__ == "__main__":
    asyncio.run(_serve())
