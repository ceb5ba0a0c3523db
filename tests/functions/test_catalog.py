"""A Glue table over the Parquet files of a run, with the columns that are in them."""

from __future__ import annotations

import datetime as dt
import io
import logging
from decimal import Decimal

import polars as pl
import pytest
from botocore.exceptions import ClientError

from functions.publish import catalog, hive

DESTINATION = "s3://output/out/table-transform/"
ORDERS = pl.DataFrame({"Region": ["north"], "orders": pl.Series([3], dtype=pl.UInt32), "amount": [1.5]})


@pytest.fixture
def outputs(s3):
    """Write frames below the destination and return their URIs."""

    def write(*frames, destination=DESTINATION, **named):
        keyed = {f"{place}.parquet": frame for place, frame in enumerate(frames)} | named
        for name, frame in keyed.items():
            body = io.BytesIO()
            frame.write_parquet(body)
            bucket, prefix = destination.removeprefix("s3://").split("/", 1)
            s3.put_object(Bucket=bucket, Key=prefix + name, Body=body.getvalue())
        return [destination + name for name in keyed]

    return write


@pytest.fixture
def register(glue, store, caplog):
    """Register outputs and return the table's name and what was logged."""

    def call(outputs, destination=DESTINATION):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            name = catalog.register(glue, store, "fanfold", {"destination": destination}, outputs)
        return name, " ".join(record.getMessage() for record in caplog.records)

    catalog.logger.addHandler(caplog.handler)
    yield call
    catalog.logger.removeHandler(caplog.handler)


def table(glue, name="out_table_transform"):
    return glue.get_table(DatabaseName="fanfold", Name=name)["Table"]


def columns(glue, name="out_table_transform"):
    return {each["Name"]: each["Type"] for each in table(glue, name)["StorageDescriptor"]["Columns"]}


def test_a_table_has_the_columns_of_the_files(glue, outputs, register):
    assert register(outputs(ORDERS)) == ("out_table_transform", "")

    made = table(glue)
    assert columns(glue) == {"region": "string", "orders": "bigint", "amount": "double"}
    assert made["StorageDescriptor"]["Location"] == DESTINATION
    assert made["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"].endswith(".ParquetHiveSerDe")
    assert made["Parameters"] == {"classification": "parquet", "EXTERNAL": "TRUE", "made-by": "fanfold"}
    assert (made["PartitionKeys"], made["TableType"]) == ([], "EXTERNAL_TABLE")


def test_registered_again_it_is_the_same(glue, outputs, register):
    written = outputs(ORDERS)
    register(written)
    first = table(glue)

    assert register(written) == ("out_table_transform", "")
    assert table(glue)["StorageDescriptor"] == first["StorageDescriptor"]
    assert len(glue.get_tables(DatabaseName="fanfold")["TableList"]) == 1


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (pl.Series([1], dtype=pl.Int8), "tinyint"),
        (pl.Series([1], dtype=pl.Int16), "smallint"),
        (pl.Series([1], dtype=pl.Int32), "int"),
        (pl.Series([1], dtype=pl.Int64), "bigint"),
        (pl.Series([1], dtype=pl.UInt8), "int"),
        (pl.Series([1], dtype=pl.UInt16), "int"),
        (pl.Series([1], dtype=pl.UInt32), "bigint"),
        (pl.Series([1], dtype=pl.UInt64), "bigint"),
        (pl.Series([1], dtype=pl.Float32), "float"),
        (pl.Series([1], dtype=pl.Float64), "double"),
        (pl.Series([True]), "boolean"),
        (pl.Series(["x"], dtype=pl.Categorical), "string"),
        (pl.Series(["x"], dtype=pl.Enum(["x"])), "string"),
        (pl.Series([b"x"]), "binary"),
        (pl.Series([dt.date(2026, 1, 1)]), "date"),
        (pl.Series([dt.datetime(2026, 1, 1)], dtype=pl.Datetime("ns")), "timestamp"),
        (pl.Series([dt.datetime(2026, 1, 1)], dtype=pl.Datetime("ms", "UTC")), "timestamp"),
        (pl.Series([dt.timedelta(1)]), "bigint"),
        (pl.Series([Decimal("1.25")], dtype=pl.Decimal(10, 2)), "decimal(10,2)"),
        (pl.Series([[1, 2]], dtype=pl.Array(pl.Int32, 2)), "array<int>"),
        (pl.Series([[{"Name": "x", "sizes": [1.5]}]]), "array<struct<name:string,sizes:array<double>>>"),
        (pl.Series([{"a": "b"}], dtype=pl.Map(pl.String, pl.String)), "map<string,string>"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_type_of_polars_has_its_type_of_hive(glue, outputs, register, series, expected):
    register(outputs(pl.DataFrame({"x": series})))

    assert columns(glue) == {"x": expected}


def test_what_hive_has_no_type_for_is_left_out_and_said(glue, outputs, register):
    frame = pl.DataFrame(
        {
            "kept": [1],
            "at": [dt.time(1)],
            "huge": pl.Series([1], dtype=pl.Int128),
            "void": [None],
            "odd": [{"a b": 1}],
        }
    )

    assert register(outputs(frame))[0] == "out_table_transform"

    assert columns(glue) == {"kept": "bigint"}
    described = table(glue)["Description"]
    assert described.startswith("Left out: at: Hive has no type for Time")
    assert "void: it is empty and has no type" in described
    assert "odd: Hive takes no field of the name 'a b'" in described


def test_files_of_several_schemas_get_the_widest(glue, outputs, register):
    one = pl.DataFrame({"a": pl.Series([1], dtype=pl.Int32), "f": pl.Series([1.0], dtype=pl.Float32)})
    two = pl.DataFrame({"a": [1], "f": [1.0], "more": pl.Series([Decimal(1)], dtype=pl.Decimal(5, 2))})
    three = pl.DataFrame({"more": pl.Series([Decimal(1)], dtype=pl.Decimal(12, 2))})

    register(outputs(one, two, three))

    assert columns(glue) == {"a": "bigint", "f": "double", "more": "decimal(12,2)"}
    assert table(glue)["Description"] == ""


def test_a_column_without_a_type_in_one_file_is_left_out_of_all(glue, outputs, register):
    register(outputs(pl.DataFrame({"a": [1], "n": ["x"]}), pl.DataFrame({"a": [1], "n": [None]})))

    assert columns(glue) == {"a": "bigint"}
    assert table(glue)["Description"] == "Left out: n: it is empty and has no type."


def test_a_later_run_adds_its_columns(glue, outputs, register):
    register(outputs(pl.DataFrame({"a": [1], "b": ["x"]})))

    register(outputs(pl.DataFrame({"a": pl.Series([1], dtype=pl.Int8), "c": [True]})))

    assert columns(glue) == {"a": "bigint", "b": "string", "c": "boolean"}


def test_types_that_no_one_type_reads_are_refused(glue, outputs, register):
    name, told = register(outputs(pl.DataFrame({"a": [1]}), pl.DataFrame({"a": ["x"]})))

    assert name is None
    assert "column a is bigint in one file and string in another" in told
    assert glue.get_tables(DatabaseName="fanfold")["TableList"] == []


def test_a_table_is_not_changed_to_what_its_older_files_are_not(glue, outputs, register):
    register(outputs(pl.DataFrame({"a": [1]})))

    name, told = register(outputs(pl.DataFrame({"a": ["x"]})))

    assert (name, columns(glue)) == (None, {"a": "bigint"})
    assert "delete the table fanfold.out_table_transform" in told


def test_columns_that_differ_by_case_alone_are_refused(outputs, register):
    name, told = register(outputs(pl.DataFrame({"Price": [1], "price": [1]})))

    assert name is None
    assert "differ by case alone, which Glue takes for one: price" in told


def test_a_table_of_somebody_else_is_left_alone(glue, outputs, register):
    theirs = {"Name": "out_table_transform", "StorageDescriptor": {"Location": DESTINATION, "Columns": []}}
    glue.create_table(DatabaseName="fanfold", TableInput=theirs)

    name, told = register(outputs(ORDERS))

    assert (name, columns(glue)) == (None, {})
    assert "the table fanfold.out_table_transform is not Fanfold's" in told


def test_two_destinations_of_the_same_last_folders_have_two_tables(glue, outputs, register):
    other = "s3://output/elsewhere/out/table-transform/"
    register(outputs(ORDERS))

    name, _ = register(outputs(pl.DataFrame({"a": [1]}), destination=other), other)

    assert name.startswith("out_table_transform_")
    assert register([other + "0.parquet"], other)[0] == name
    assert (columns(glue, name), len(columns(glue))) == ({"a": "bigint"}, 3)


@pytest.mark.parametrize(
    ("destination", "name"),
    [
        ("s3://bucket/out/table-transform/", "out_table_transform"),
        ("s3://bucket/a/b/Sales 2026/Öst/", "out_sales_2026_st"),
        ("s3://my-bucket/", "out_my_bucket"),
        (f"s3://bucket/{'x' * 300}/", "out_" + "x" * 96),
    ],
)
def test_a_table_is_named_after_its_destination(destination, name):
    assert catalog.table_names(destination)[0] == name


def test_folders_become_partition_keys(glue, outputs, register):
    names = ("Year=2026/month=01/a.parquet", "Year=2026/month=02/part/b.parquet")

    assert register(outputs(**dict.fromkeys(names, ORDERS))) == ("out_table_transform", "")

    made = table(glue)
    assert [key["Name"] for key in made["PartitionKeys"]] == ["year", "month"]
    assert made["Parameters"]["storage.location.template"] == DESTINATION + "Year=${year}/month=${month}/"
    assert made["Parameters"]["projection.month.type"] == "injected"
    assert made["Description"].endswith("WHERE year = '...' AND month = '...'")


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (["year=2026/a.parquet", "b.parquet"], "not all files have the same"),
        (["year=2026/a.parquet", "month=1/b.parquet"], "not all files have the same"),
        (["x/year=2026/a.parquet", "y/year=2026/b.parquet"], "not all files have the same"),
        (["region=north/a.parquet"], "the files have region themselves"),
    ],
)
def test_folders_that_are_no_partitions_are_explained(glue, outputs, register, names, note):
    assert register(outputs(**dict.fromkeys(names, ORDERS)))[0] == "out_table_transform"

    assert table(glue)["PartitionKeys"] == []
    assert note in table(glue)["Description"]


def test_without_parquet_there_is_nothing_to_register(register):
    assert register([DESTINATION + "a.csv"]) == (None, "")


def test_files_of_other_kinds_beside_parquet_are_refused(outputs, register):
    name, told = register([*outputs(ORDERS), DESTINATION + "a.csv"])

    assert name is None
    assert "such as s3://output/out/table-transform/a.csv" in told


def test_bytes_that_are_no_parquet_are_named(s3, register):
    s3.put_object(Bucket="output", Key="out/table-transform/a.parquet", Body=b"not at all")

    assert "out/table-transform/a.parquet cannot be read as Parquet" in register([DESTINATION + "a.parquet"])[1]
    assert "b.parquet: it does not exist" in register([DESTINATION + "b.parquet"])[1]


def test_of_a_long_file_its_end_is_enough(glue, outputs, register, monkeypatch):
    monkeypatch.setattr(catalog, "FOOTER_BYTES", 2000)
    frame = pl.DataFrame({"a": range(50_000)})

    register(outputs(frame))

    assert columns(glue) == {"a": "bigint"}


def test_what_glue_refuses_is_logged(glue, outputs, register, monkeypatch):
    def refuse(**_):
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not you"}}, "GetTable")

    written = outputs(ORDERS)
    monkeypatch.setattr(glue, "get_table", refuse)

    name, told = register(written)

    assert name is None
    assert "AccessDeniedException" in told


def test_a_name_that_glue_does_not_take_is_left_out():
    found = hive.columns([{"a,b": pl.Int64(), "x" * 256: pl.Int64(), "with space": pl.Int64()}], {})

    assert found.types == {"with space": "bigint"}
    assert [reason.rsplit(": ", 1)[1] for reason in found.left_out] == ["Glue takes no such name"] * 2


def test_what_athena_passes_over_does_not_keep_a_table_from_being_made(register, outputs, s3):
    found = outputs(ORDERS)

    name, told = register([*found, f"{DESTINATION}_rejected/0.csv", f"{DESTINATION}_partitions/0.csv.json"])

    assert (name, told) == ("out_table_transform", "")
