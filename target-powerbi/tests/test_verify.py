"""`ifs-bi powerbi verify` against the sandbox: what is delivered is equal, and what differs is told."""

from __future__ import annotations

from decimal import Decimal
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from ifs_bi_core import source_counts
from ifs_bi_core.errors import ConfigError, ExitCode
from ifs_bi_core.singer.plugin import Plugin
from ifs_bi_core.source_counts import SourceCounter
from powerbi_verbs import writes
from singer_sdk import Tap


@pytest.mark.parametrize("write_mode", ["mirror", "signed", "append"])
def test_verify_finds_equal_what_was_delivered(verb, pipe, write_mode):
    pipe.feed(pipe.schema(), *(pipe.order(n, Decimal("0.07") * n, Lines=n) for n in range(40)), write_mode=write_mode)
    pipe.feed(pipe.schema(), pipe.order(1, Decimal("123456789012.34")), pipe.order(99, -5), write_mode=write_mode)
    told = verb("verify", "--json", write_mode=write_mode)
    assert told.code == ExitCode.DONE
    (table,) = told.json
    assert (table["holds"], table["rows_kept"]) == (True, 42 if write_mode == "append" else 41)
    sums = {one["column"]: one["kept"] for one in table["sums"]}
    replaced = Decimal("0.07") if write_mode != "append" else 0
    assert Decimal(sums["Amount"]) == Decimal("123456789012.34") + Decimal("54.60") - 5 - replaced
    assert not writes(pipe)


def test_verify_tells_what_differs_and_ends_with_1(verb, pipe):
    pipe.feed(pipe.schema(), pipe.order(1, Decimal("1.25")), pipe.order(2, 2))
    table = pipe.dataset().tables["orders"]
    table.rows.append(tuple({"OrderNo": "9", "Amount": Decimal("0.01")}.get(name) for name in table.columns))
    told = verb("verify")
    assert told.code == ExitCode.FAILED
    assert "orders (table 'orders'): 2 rows are kept, and Power BI shows 3." in told.out
    assert "the sum of Amount is 3.25 in the kept rows and 3.26 in Power BI." in told.out


def test_verify_where_queries_are_off_says_what_to_switch_on(verb, pipe):
    pipe.feed(pipe.schema(), pipe.order(1))
    pipe.world.switches.powerbi_queries = "refuse"
    told = verb("verify")
    assert told.code == ExitCode.FAILED
    assert "'Dataset Execute Queries REST API'" in str(told.error)


def test_verify_of_nothing_is_refused(verb):
    told = verb("verify")
    assert told.code == ExitCode.WRONG_CONFIGURATION
    assert isinstance(told.error, ConfigError)
    assert "Nothing was delivered yet to dataset 'Purchasing' with write_mode mirror" in str(told.error)


# with the source


@pytest.fixture
def at_source(monkeypatch, tmp_path):
    """A source that has as many rows of each stream as is said, and the --source that leads to it."""
    asked: list[str] = []

    def set_up(**rows: Any) -> list[str]:
        def counts(_config: Any, streams: Any) -> dict[str, Any]:
            asked.extend(streams)
            return {stream: rows[stream] for stream in streams}

        counter = SourceCounter("Shop", lambda: TapShop, counts)
        monkeypatch.setattr(source_counts, "COUNTER", counter, raising=False)
        point = EntryPoint("tap-shop", "ifs_bi_core.source_counts:COUNTER", source_counts.SOURCE_COUNTS)
        monkeypatch.setattr(source_counts, "entry_points", lambda **_: [point])
        (tmp_path / "tap.json").write_text("{}")
        return ["--source", str(tmp_path / "tap.json")]

    set_up.asked = asked
    return set_up


class TapShop(Plugin, Tap):
    """Is never started: only its settings are asked for."""

    name = "tap-shop"
    config_jsonschema = {"type": "object", "properties": {}}  # noqa: RUF012 - as the SDK has it


@pytest.mark.parametrize("write_mode", ["mirror", "signed"])
def test_verify_compares_the_rows_with_those_at_the_source(verb, pipe, at_source, write_mode):
    pipe.feed(pipe.schema(), *(pipe.order(number) for number in range(5)), write_mode=write_mode)
    pipe.feed(pipe.schema(), pipe.order(1, 7), pipe.gone(2), write_mode=write_mode)
    told = verb("verify", *at_source(orders=4), write_mode=write_mode)
    assert told.code == ExitCode.DONE
    assert "orders (table 'orders'): Shop has 4 rows, too." in told.out
    told = verb("verify", *at_source(orders=6), write_mode=write_mode)
    assert told.code == ExitCode.FAILED
    assert "4 rows are equal" in told.out
    assert "orders (table 'orders'): Shop has 6 rows, and Power BI shows 4. Rows may have come or gone" in told.out
    told = verb("verify", "--json", *at_source(orders=6), write_mode=write_mode)
    (table,) = told.json
    assert table["source"] == {"system": "Shop", "rows": 6, "why_not": None}
    assert (table["holds"], table["rows_shown"]) == (False, 4)


def test_what_can_not_be_counted_is_said_and_is_no_difference(verb, pipe, at_source):
    pipe.feed(pipe.schema(), pipe.order(1))
    told = verb("verify", *at_source(orders="it is not granted."))
    assert told.code == ExitCode.DONE
    assert "orders (table 'orders'): not compared with Shop: it is not granted." in told.out


def test_versions_rows_without_keys_and_filtered_rows_are_not_compared_with_the_source(verb, pipe, at_source):
    versions = {"write_mode": "append", "dataset_name": "Versions"}
    pipe.feed(pipe.schema(), pipe.order(1), **versions)
    told = verb("verify", *at_source(), **versions)
    assert told.code == ExitCode.DONE
    assert "not compared with Shop: in write_mode append every version of a row is a row." in told.out
    pipe.feed(pipe.schema(), pipe.order(1), pipe.schema("events", keys=()), pipe.record({"OrderNo": "1"}, "events"))
    told = verb("verify", *at_source(orders=1))
    assert told.code == ExitCode.DONE
    assert "events (table 'events'): not compared with Shop: it has no key" in told.out
    maps = {"stream_maps": {"orders": {"__filter__": "Lines > 1"}}}
    assert "stream_maps filter its rows" in verb("verify", *at_source(), **maps).out
    assert at_source.asked == ["orders"]


def test_verify_without_a_source_asks_none(verb, pipe, at_source):
    pipe.feed(pipe.schema(), pipe.order(1))
    at_source(orders=1)
    assert verb("verify").code == ExitCode.DONE
    assert at_source.asked == []


def test_kept_rows_are_compared_with_the_source_where_power_bi_can_not_tell(verb, pipe, at_source):
    pipe.feed(pipe.schema(), pipe.order(1))
    pipe.fault("status", status=400, method="POST", path="*/executeQueries")
    told = verb("verify", *at_source(orders=3))
    assert told.code == ExitCode.FAILED
    assert "Shop has 3 rows, and 1 are kept." in told.out
