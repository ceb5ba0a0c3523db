"""What the footer of a Parquet file promises, before anything is unpacked for it.

Of the Thrift compact protocol only what a footer is made of (parquet.thrift: FileMetaData 3 and 4, RowGroup 2 and 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.table_transform.errors import UnreadableTable
from functions.table_transform.spool import Content

_MAGIC = b"PAR1"
_LONGEST = 16 * 1024 * 1024
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)


@dataclass(frozen=True)
class Footer:
    """A footer's promises.

    Attributes:
        rows: in all.
        largest_group: bytes of the largest row group, unpacked.
    """

    rows: int
    largest_group: int


def read_footer(content: Content) -> Footer:
    """Read the footer; raises UnreadableTable."""
    try:
        fields = _Thrift(_bytes(content)).struct()
        groups = [(group[2], group[3]) for group in fields.get(4, [])]
        rows = max(fields[3], sum(rows for _, rows in groups))
        return Footer(rows, max((size for size, _ in groups), default=0))
    except (IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnreadableTable("the Parquet file is damaged or cut off (it has no footer): write it again") from error


def _bytes(content: Content) -> bytes:
    ending = content.ending(8)
    length = int.from_bytes(ending[:4], "little")
    if ending[4:] != _MAGIC or not 0 < length <= min(_LONGEST, content.size - 12):
        raise ValueError("no footer")
    return content.ending(length + 8)[:length]


class _Thrift:
    """A reader of the compact protocol."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def struct(self) -> Mapping[int, Any]:
        """Read a struct as values by the numbers of their fields; raises IndexError at the end, else ValueError."""
        fields: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._integer()
            fields[number] = self._value(head & 15, in_list=False)
        return fields

    def _value(self, kind: int, *, in_list: bool) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind in (_TRUE, _FALSE):
            return self._byte() == _TRUE if in_list else kind == _TRUE
        if kind in (_BYTE, _DOUBLE, _BINARY):
            return self._skip(1 if kind == _BYTE else 8 if kind == _DOUBLE else self._number())
        if kind in (_LIST, _SET):
            head = self._byte()
            return [
                self._value(head & 15, in_list=True) for _ in range(head >> 4 if head >> 4 != 15 else self._number())
            ]
        if kind == _STRUCT:
            return self.struct()
        raise ValueError(f"no footer has a value of kind {kind}")

    def _byte(self) -> int:
        self._place += 1
        return self._data[self._place - 1]

    def _skip(self, length: int) -> None:
        self._place += length

    def _number(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
            if shift > 63:
                raise ValueError("a number is too long")

    def _integer(self) -> int:
        number = self._number()
        return (number >> 1) ^ -(number & 1)
