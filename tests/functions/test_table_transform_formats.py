"""table-transform reads Arrow, XML and archives, recognised by their content, and writes gzip."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from functions.table_transform.content import unpack_beginning, unpacked
from functions.table_transform.errors import EmptyTable, InvalidRows, UnreadableTable
from functions.table_transform.operation import OPERATION
from functions.table_transform.output import Files, write
from functions.table_transform.spool import Content, Scratch
from itemkit import InvalidJob, PermanentError
from tests.functions.hostile_tables import arrow_with, billion_laughs, external_entity, zip_of_many, zipped, zstd
from tests.functions.tabular import packed, parquet, rows, short, transform

CSV = b"id,region\n007,north\n008,south\n"
ROWS = [{"id": "007", "region": "north"}, {"id": "008", "region": "south"}]


def arrow(frame: pl.DataFrame, form: str, **options: Any) -> bytes:
    body = io.BytesIO()
    (frame.write_ipc if form == "file" else frame.write_ipc_stream)(body, **options)
    return body.getvalue()


def encrypted(body: bytes) -> bytes:
    """Mark the file of a zip as encrypted, in the directory."""
    flags = body.index(b"PK\x01\x02") + 8
    return body[:flags] + b"\x01" + body[flags + 1 :]


class TestArchives:
    """An archive holds one table, whatever it is called."""

    @pytest.mark.parametrize(
        "body",
        [
            packed(CSV),
            packed(CSV[:20]) + packed(CSV[20:]),
            zstd.compress(CSV),
            zstd.compress(CSV[:20]) + zstd.compress(CSV[20:]),
            bz2.compress(CSV),
            bz2.compress(CSV[:20]) + bz2.compress(CSV[20:]),
            zipped({"orders.txt": CSV}),
            zipped({"2026/": b"", "2026/orders": CSV, "__MACOSX/._orders": b"x", "2026/.DS_Store": b"x"}),
            zipped({"": CSV}),
            zipped({"orders.csv": CSV}, compression=zipfile.ZIP_STORED),
            zipped({"orders.csv": CSV}, compression=zipfile.ZIP_BZIP2),
            zipped({"orders.csv": CSV}, compression=zipfile.ZIP_LZMA),
            packed(parquet(pl.DataFrame(ROWS))),
            zipped({"orders": "\ufeffid,region\n007,north\n008,south\n".encode("utf-16")}),
        ],
        ids=short,
    )
    def test_is_unpacked(self, body: bytes) -> None:
        assert rows(body) == ROWS

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (zipped({"a.csv": CSV, "b.csv": CSV}), "the zip holds 2 files (a.csv, b.csv) where one table is wanted"),
            (zipped({}), "the zip holds no file where one table is wanted"),
            (zipped({"empty/": b""}), "the zip holds no file where one table is wanted"),
            (zipped({"[Content_Types].xml": b"x", "xl/a.xml": b"x"}), "this is an Excel workbook or another office"),
            (zip_of_many(), "the zip holds thousands of files where one table is wanted"),
            (zipped({"a.csv": CSV})[:-30], "the zip is damaged or cut off"),
            (encrypted(zipped({"a.csv": CSV})), "a.csv in the zip is encrypted: pack it without a password"),
            (zstd.compress(CSV)[:-5], "the zstd is damaged or cut off"),
            (bz2.compress(CSV)[:-5], "the bzip2 is damaged or cut off"),
            (packed(zipped({"a.csv": CSV})), "this is compressed twice, zip within gzip: unpack it once"),
            (zipped({"a.csv.gz": packed(CSV)}), "this is compressed twice, gzip within zip: unpack it once"),
        ],
        ids=short,
    )
    def test_is_refused_with_the_reason(self, body: bytes, message: str) -> None:
        with pytest.raises(UnreadableTable) as raised:
            transform(body)

        assert str(raised.value).startswith(f"s3://in/orders.csv: {message}")

    @pytest.mark.parametrize(
        "pack",
        [packed, zstd.compress, bz2.compress, lambda body: zipped({"a": body})],
        ids=["gzip", "zstd", "bzip2", "zip"],
    )
    def test_is_read_no_further_than_fits(self, pack: Any) -> None:
        bomb = Content(pack(bytes(9_000_000)))

        with pytest.raises(UnreadableTable, match=r"holds has more than 1,000,000 bytes: split it"):
            unpacked(bomb, Scratch(most=1_000_000))

    def test_files_are_gone_with_the_scratch(self) -> None:
        with Scratch(in_memory=10) as scratch:
            content = unpacked(Content(packed(CSV)), scratch)
            assert isinstance(content.body, Path)
            assert content.body.read_bytes() == CSV

        assert not content.body.parent.exists()

    def test_what_the_disk_has_no_room_for_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Scratch, "file", lambda self: Path("/dev/full"))

        with pytest.raises(UnreadableTable, match=r"does not fit on the function's disk \(No space left on device\)"):
            unpacked(Content(packed(bytes(9_000_000))), Scratch(in_memory=10))

    @pytest.mark.parametrize("pack", [packed, zstd.compress, bz2.compress], ids=["gzip", "zstd", "bzip2"])
    def test_the_beginning_of_one_is_enough_for_a_check(self, pack: Any) -> None:
        body = pack(CSV + b"009,west\n" * 200_000)[:2_000_000]

        assert unpack_beginning(body, 100) == (CSV + b"009,west\n" * 20)[:100]
        with pytest.raises(InvalidJob, match="did you mean 'region'"):
            OPERATION.check(OPERATION.parse({"sql": "SELECT regoin FROM self"}), pack(CSV))


class TestArrow:
    """Arrow files and streams, read where they can do no harm."""

    FRAME = pl.DataFrame({"id": ["007", None], "n": [1, 2], "tags": [["a"], []]})

    @pytest.mark.parametrize(
        "body",
        [
            arrow(FRAME, "file"),
            arrow(FRAME, "file", compression="zstd"),
            arrow(FRAME, "stream"),
            arrow(FRAME, "stream", compression="lz4"),
            packed(arrow(FRAME, "file")),
        ],
        ids=["file", "packed file", "stream", "packed stream", "gzip"],
    )
    def test_is_read(self, body: bytes) -> None:
        result = transform(body)

        assert (result.facts["source"], result.rows_in) == ("arrow", 2)
        assert pl.read_parquet(result.outputs[0].body).equals(self.FRAME)

    def test_in_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "table"
        path.write_bytes(arrow(self.FRAME, "file"))

        assert rows(path, sql="SELECT n FROM self") == [{"n": 1}, {"n": 2}]

    @pytest.mark.parametrize(
        "body",
        [arrow_with(2**62), arrow(FRAME, "file")[:-40], arrow(FRAME, "stream")[:100], b"ARROW1\0\0 that is none"],
        ids=short,
    )
    def test_a_broken_one_fails_alone(self, body: bytes) -> None:
        """Of the first one polars ends its process."""
        with pytest.raises(UnreadableTable, match="the Arrow table is damaged or cut off"):
            transform(body)


class TestXml:
    """The rows of XML are the elements that repeat nearest to the root."""

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (
                b'<orders><order id="007"><amount>1.50</amount></order>'
                b'<order id="8"><amount>2</amount></order></orders>',
                [{"id": "007", "amount": 1.5}, {"id": "8", "amount": 2.0}],
            ),
            (
                b"<r><info><k>1</k><k>2</k></info><rows><o><a>x</a></o><o/><o><a>z</a></o></rows></r>",
                [{"a": "x"}, {"a": None}, {"a": "z"}],
            ),
            (
                b"<o><e><n>1</n><to><city>Lyon</city><zip>01000</zip></to></e><e><n>2</n></e></o>",
                [{"n": 1, "to.city": "Lyon", "to.zip": "01000"}, {"n": 2, "to.city": None, "to.zip": None}],
            ),
            (
                b'<o><e><p cur="EUR">5</p></e><e><p cur="CHF">6</p></e></o>',
                [{"p": 5, "p.cur": "EUR"}, {"p": 6, "p.cur": "CHF"}],
            ),
            (
                b"<o><e><t>a</t><t>b</t></e><e><t>c</t></e><e/></o>",
                [{"t": '["a", "b"]'}, {"t": '["c"]'}, {"t": None}],
            ),
            (
                b'<o><e><i q="1"><s>x</s></i><i q="2"/></e><e/></o>',
                [{"i": '[{"q": "1", "s": "x"}, {"q": "2"}]'}, {"i": None}],
            ),
            (b"<o><e>1</e><e>2</e></o>", [{"e": 1}, {"e": 2}]),
            (b'<o><e id="1"><id>2</id></e><e/></o>', [{"@id": 1, "id": 2}, {"@id": None, "id": None}]),
            (b"<order><id>1</id><note>x</note></order>", [{"id": 1, "note": "x"}]),
            (b"<orders><order><id>1</id></order></orders>", [{"id": 1}]),
            (b'<x:o xmlns:x="urn:x"><x:e><x:a>1</x:a></x:e><x:e><x:a>2</x:a></x:e></x:o>', [{"a": 1}, {"a": 2}]),
            (
                b'<o><e><a><![CDATA[<b>, "c"\n]]></a></e><e><a>&lt;&#233;</a></e></o>',
                [{"a": '<b>, "c"\n'}, {"a": "<é"}],
            ),
            (
                '<?xml version="1.0" encoding="iso-8859-1"?><o><e><a>é</a></e><e/></o>'.encode("latin-1"),
                [{"a": "é"}, {"a": None}],
            ),
            ('<?xml version="1.0"?><o><e><a>é</a></e><e/></o>'.encode("utf-16"), [{"a": "é"}, {"a": None}]),
            (b"\xef\xbb\xbf\n<o><e><a>1</a></e><e/></o>", [{"a": 1}, {"a": None}]),
            (b"<!DOCTYPE o SYSTEM 'o.dtd'><o><e><a>1</a></e><e/></o>", [{"a": 1}, {"a": None}]),
        ],
        ids=short,
    )
    def test_is_read(self, body: bytes, expected: list[dict[str, Any]]) -> None:
        assert rows(body) == expected

    @pytest.mark.parametrize(
        ("body", "kind", "message"),
        [
            (billion_laughs(), UnreadableTable, "the XML has the entity 'a0', and entities are not expanded"),
            (external_entity(), UnreadableTable, "the XML has the entity 'x', and entities are not expanded"),
            (b"<o><e><a>&b;</a></e></o>", UnreadableTable, "the XML is damaged or cut off (undefined entity"),
            (b"<!DOCTYPE o SYSTEM 'o.dtd'><o><e>&b;</e><e/></o>", UnreadableTable, "the XML has the entity 'b'"),
            (b"<o><e><a>1</a></e><e>", UnreadableTable, "the XML is damaged or cut off (no element found: line 1"),
            (b"<o><e><a>1</b></e></o>", UnreadableTable, "the XML is damaged or cut off (mismatched tag: line 1"),
            (b"<o>" + b"<e>" * 200, UnreadableTable, "the XML is more than 100 elements deep"),
            (b"<o>" + b"".join(b"<e%d/>" % n for n in range(10_001)), UnreadableTable, "the XML has more than 10,000"),
            (b"<o><e><a.b/><a><b/></a></e><e/></o>", UnreadableTable, "two columns of the XML would be named 'a.b'"),
            (b'<?xml version="1.0" encoding="x-none"?><o/>', UnreadableTable, "the XML"),
            (b"<o/>", EmptyTable, "the XML has no rows"),
            (
                b"<o>" + b"<e><n>1</n></e>" * 20 + b"<e><n>x</n></e></o>",
                InvalidRows,
                "row 21 below the header, column 'n': 'x' is no number, as nearly all of the column is",
            ),
        ],
        ids=short,
    )
    def test_is_refused_with_the_reason(self, body: bytes, kind: type[PermanentError], message: str) -> None:
        with pytest.raises(kind) as raised:
            transform(body)

        assert str(raised.value).startswith(f"s3://in/orders.csv: {message}")

    def test_types_can_be_given(self) -> None:
        body = b"<o><e><a>1</a></e><e><a>2</a></e></o>"

        assert rows(body, types={"a": "text"}) == [{"a": "1"}, {"a": "2"}]
        assert transform(body).facts == {"source": "xml", "columns": 1}


class TestJson:
    """A list of objects is read as its objects on lines would be."""

    @pytest.mark.parametrize(
        "text",
        [
            '[{"a": 1, "b": "x\\ny"},{"a": 2, "b": "é"}]',
            '\n[\r\n {"a":\n1,\n"b": "x\\ny"}\n ,\n{"b": "é", "a": 2}\n]\n',
            '\ufeff[{"a": 1, "b": "x\\ny"}, {"a": 2, "b": "\\u00e9"}]',
        ],
    )
    def test_of_any_layout(self, text: str) -> None:
        assert rows(text.encode()) == [{"a": 1, "b": "x\ny"}, {"a": 2, "b": "é"}]

    def test_of_any_length(self) -> None:
        objects = [{"number": number, "text": "é" * (number % 900)} for number in range(20_000)]

        found = rows(json.dumps(objects, ensure_ascii=False).encode())

        assert found == objects

    @pytest.mark.parametrize(
        "text", ['[{"a": 1}] x', '[{"a": 1} {"a": 2}]', '[{"a": 1},]', '[{"a": NaN}]', '[{"a": 1}', "[", '[{"a": 1']
    )
    def test_broken(self, text: str) -> None:
        with pytest.raises((UnreadableTable, InvalidRows), match="JSON"):
            transform(text.encode())


class TestOutput:
    """A result is written to memory or to a file, packed where that is asked for."""

    @pytest.mark.parametrize("form", ["csv", "jsonl"])
    def test_gzip_holds_what_would_be_written_without(self, form: str) -> None:
        plain = transform(CSV, format=form).outputs[0]
        gzipped = transform(CSV, format=f"{form}.gz").outputs[0]

        assert gzip.decompress(gzipped.body) == plain.body
        assert gzipped.content_type == "application/gzip"

    @pytest.mark.parametrize("form", ["parquet", "csv", "csv.gz", "jsonl", "jsonl.gz"])
    @pytest.mark.parametrize("count", [0, 3, 250_000])
    def test_a_file_holds_what_memory_would(self, form: str, count: int) -> None:
        frame = pl.DataFrame({"a": range(count)}, schema={"a": pl.Int64}).lazy()

        with Files() as files:
            held, filed = write(frame, form, "streaming"), write(frame, form, "streaming", files)

            assert isinstance(filed.body, Path)
            assert filed.body.read_bytes() == held.body
        assert not filed.body.exists()
        assert held.rows == filed.rows == count
