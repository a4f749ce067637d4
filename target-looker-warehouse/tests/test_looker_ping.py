"""What `ifs-bi ping` finds out about the warehouse and Looker, against the stand-in."""

from __future__ import annotations

import json
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import duckdb
import pytest
from ifs_bi_core.errors import ExitCode
from ifs_bi_core.ping import PINGS, Ping, Status
from ifs_bi_core.singer.configuration import settings_of
from looker_stand_in import row, schema
from target_looker_warehouse.looker.ping import checks
from target_looker_warehouse.target import TargetLookerWarehouse

ALL = ["configuration", "warehouse", "sign-in", "version", "connection", "datagroups", "notification"]


@pytest.fixture
def pinged(looker, tmp_path):
    """The checks by name, with changed settings of Looker, and of the target."""

    def call(target=None, **changes):
        path = tmp_path / "target.json"
        config = {name: value for name, value in (looker.config(**changes) | (target or {})).items() if value}
        path.write_text(json.dumps(config))
        return {
            each.name: each for each in checks(settings_of(TargetLookerWarehouse, [str(path)]), looker.surroundings)
        }

    return call


def failed(found):
    return [name for name, check in found.items() if check.status is Status.FAILED]


def test_all_is_well(looker, pinged):
    looker.feed(schema(), row(1))
    found = pinged()
    assert list(found) == ALL
    assert {check.status for check in found.values()} == {Status.FINE}
    assert found["sign-in"].found == {"user": "IFS BI loader"}
    assert found["version"].sentence == "Looker 26.12.3."
    assert found["connection"].found["tests"] == {"connect": True, "query": True, "kill": True}
    assert looker.triggered() is not None
    before = looker.triggered()
    pinged()
    assert looker.triggered() == before  # it looks, and touches nothing


def test_a_first_ping_makes_nothing(looker, pinged):
    looker.world.switches.looker_warehouse = None
    found = pinged()
    assert failed(found) == []
    assert "the first run makes it" in found["warehouse"].sentence
    assert not looker.file.exists()
    assert not looker.state_dir.exists()


def test_without_looker_the_warehouse_is_looked_at(pinged):
    found = pinged(target={"looker": None})
    assert list(found) == ["configuration", "warehouse"]
    assert "no Looker is told" in found["configuration"].sentence


@pytest.mark.parametrize(
    ("changes", "last", "code", "sentence"),
    [
        ({"verify": True, "connection": None}, "configuration", 2, "'looker.verify' needs 'looker.connection'"),
        ({"client_secret": "wrong-secret"}, "sign-in", 1, "client_id and client_secret; an API key"),
        ({"base_url": "http://127.0.0.1:9"}, "sign-in", 1, "127.0.0.1:9 can't be reached"),
        ({"connection": "unknown"}, "connection", 2, "There is none of that name or id"),
    ],
)
def test_what_is_wrong_is_the_last_line(pinged, changes, last, code, sentence):
    found = pinged(**changes)
    assert list(found)[-1] == last
    assert failed(found) == [last]
    assert found[last].exit_code == code
    assert sentence in found[last].sentence
    assert "wrong-secret" not in found[last].sentence


def test_a_connection_that_fails_and_a_datagroup_that_is_not_there_are_told(looker, pinged):
    looker.world.switches.looker_failing_tests, looker.world.switches.looker_warehouse = ["query"], None
    found = pinged(datagroups=["ifs.unknown"])
    assert failed(found) == ["connection", "datagroups"]
    assert "query: Cannot query" in found["connection"].sentence
    assert "it shows ifs_cloud.purchasing_loads, ifs_cloud.general_ledger_loads" in found["datagroups"].sentence
    assert found["datagroups"].exit_code == ExitCode.WRONG_CONFIGURATION


def test_what_looker_is_still_to_be_told_is_noticed(looker, pinged):
    looker.fault("status", times=None, status=503)
    looker.feed(schema(), row(1))
    looker.world.faults.clear()
    found = pinged()
    assert found["notification"].status is Status.NOTICE
    assert found["notification"].found == {"pending": ["connection warehouse", "datagroup ifs_cloud.purchasing_loads"]}
    assert found["notification"].exit_code == ExitCode.DONE


def test_a_warehouse_that_can_not_be_opened_is_told_and_looker_is_looked_at(looker, pinged):
    with duckdb.connect(looker.file):
        pass
    looker.file.write_bytes(b"no database, but long enough to be read as one" * 100)
    looker.world.switches.looker_warehouse = None
    found = pinged()
    assert failed(found) == ["warehouse"]
    assert list(found) == ALL


def test_the_entry_point_is_the_ping_of_this_plugin():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    (point,) = [EntryPoint(name, value, PINGS) for name, value in project["project"]["entry-points"][PINGS].items()]
    found = point.load()
    assert isinstance(found, Ping)
    assert found.plugin() is TargetLookerWarehouse
    assert point.name == TargetLookerWarehouse.name
