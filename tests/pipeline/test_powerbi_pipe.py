"""Power BI equals the source, row by row, whatever happens on the way."""

import json
from decimal import Decimal

import pytest
from ifs_bi_sandbox.data.changes import a_day_of_business
from ifs_bi_sandbox.faults import Fault, preset
from pipeline.commands import STREAMS
from pipeline.source import OF_EACH_KIND, key_of, named, source_rows
from tap_ifs_cloud.entities import BUILT_IN


def as_pushed(value):
    """A value of the source in the form that the stand-in stores."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str) and len(value) == len("2026-01-01") and value[4] == value[7] == "-":
        return f"{value}T00:00:00"
    return value


def as_stored(value):
    return value.rstrip("Z").removesuffix(".000") if isinstance(value, str) and value[10:11] == "T" else value


def differing(pipeline, dataset_rows, streams=STREAMS) -> list[str]:
    return [stream for stream in streams if not equal(pipeline, dataset_rows, named(stream))]


def equal(pipeline, dataset_rows, entity) -> bool:
    key = key_of(entity)
    source = source_rows(pipeline.box.world.database, entity.name)
    rows = dataset_rows(entity.name)
    if len(rows) != len(source):
        return False
    stored = {tuple(number_or_text(row[name]) for name in key): row for row in rows}
    return all(
        number_or_text(stored[tuple(map(number_or_text, found))][name]) == number_or_text(value)
        for found, record in source.items()
        for name, value in record.items()
    )


def number_or_text(value):
    """Numbers compare as numbers, whether the stand-in gives them as text or not; a moment without its zone's letter."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, Decimal | int | float):
        return Decimal(str(value)).normalize()
    text = as_stored(as_pushed(value))
    try:
        return Decimal(text).normalize()
    except ArithmeticError:
        return text


def pump(pipeline, *, waits=True) -> None:
    extracted = pipeline.extract()
    assert extracted.code == 0, extracted.err
    loaded = pipeline.load_powerbi(extracted.out, waits=waits)
    assert loaded.code == 0, loaded.err
    pipeline.state = loaded.state


def posts(pipeline) -> int:
    asked = [(r["service"], r["method"], r["path"].rpartition("/")[2]) for r in pipeline.box.world.requests]
    return asked.count(("powerbi", "POST", "rows"))


def test_rows_arrive_changes_arrive_and_an_unchanged_source_sends_none(pipeline, dataset_rows):
    pump(pipeline)
    assert differing(pipeline, dataset_rows) == []
    sent = posts(pipeline)
    pump(pipeline)
    assert posts(pipeline) == sent
    a_day_of_business(pipeline.box.world.database, 1)
    pump(pipeline)
    assert differing(pipeline, dataset_rows) == []


FAULTS = {
    "answer lost": preset("rows_stored_answer_lost", skip=2),
    "500 before": Fault("powerbi", "status", status=500, method="POST", path="*/rows", skip=1),
    "throttled": Fault("powerbi", "status", status=429, retry_after=1, method="POST", path="*/rows"),
    "delete answer lost": Fault("powerbi", "reset", method="DELETE", path="*/rows", after=True),
}
MORE_FAULTS = {
    "500 after": Fault("powerbi", "status", status=500, method="POST", path="*/rows", skip=1, after=True),
    "token ended": Fault("powerbi", "revoke_tokens", method="POST", path="*/rows", skip=3),
}
"""What `make prove` adds."""


@pytest.mark.parametrize("name", [*FAULTS, *(pytest.param(name, marks=pytest.mark.prove) for name in MORE_FAULTS)])
def test_a_fault_on_the_way_doubles_and_loses_nothing(pipeline, dataset_rows, name):
    pipeline.tap_settings["streams"] = OF_EACH_KIND
    pump(pipeline)
    a_day_of_business(pipeline.box.world.database, 2)
    pipeline.box.world.faults.append((FAULTS | MORE_FAULTS)[name])
    pump(pipeline, waits=False)
    assert pipeline.box.world.faults == []
    assert differing(pipeline, dataset_rows, OF_EACH_KIND) == []


def test_verify_counts_the_rows_at_the_source_and_tells_which_streams_went_on_since(pipeline, run):
    extracted = pipeline.extract()
    assert pipeline.load_powerbi(extracted.out).code == 0
    command = ("powerbi", "verify", "--config", "powerbi.json", "--source", "tap.json")
    told = run("ifs-bi", *command, cwd=pipeline.folder)
    assert (told.code, told.err) == (0, "")
    assert told.out.decode().count("IFS Cloud has") == told.out.decode().count(" rows, too.") == len(BUILT_IN)
    a_day_of_business(pipeline.box.world.database, seed=5)
    told = run("ifs-bi", *command, "--json", cwd=pipeline.folder)
    assert told.code == 1
    tables = {table["stream"]: table for table in json.loads(told.out)}
    for name, table in tables.items():
        rows = len(source_rows(pipeline.box.world.database, name))
        assert (table["source"]["rows"], table["holds"]) == (rows, rows == table["rows_shown"]), name
    assert {table["holds"] for table in tables.values()} == {True, False}
