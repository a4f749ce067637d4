"""What `ifs-bi ping` finds out about Power BI, against the sandbox."""

from __future__ import annotations

import json
from importlib.metadata import entry_points

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ExitCode
from ifs_bi_core.http.client import Surroundings
from ifs_bi_core.ping import PINGS, Status, ping
from ifs_bi_core.singer.configuration import settings_of
from ifs_bi_sandbox.powerbi.datasets import Dataset
from target_powerbi.allowance import allowance
from target_powerbi.kept import Kept
from target_powerbi.limits import LIMITS, Load, wait_for
from target_powerbi.ping import PING, checks
from target_powerbi.target import TargetPowerBI

ALL = ["configuration", "token", "workspace", "dataset", "limits", "queries"]


@pytest.fixture
def pinged(pipe, tmp_path):
    """The checks by name, with changed settings."""

    def call(**changes):
        path = tmp_path / "target.json"
        path.write_text(json.dumps({n: value for n, value in (pipe.config | changes).items() if value is not None}))
        surroundings = Surroundings(pipe.time.clock, pipe.time.sleep, lambda: 0.5)
        pipe.world.requests.clear()
        return {check.name: check for check in checks(settings_of(TargetPowerBI, [str(path)]), surroundings)}

    return call


def failed(found):
    return [name for name, check in found.items() if check.status is Status.FAILED]


def test_all_is_well(pinged, pipe):
    pipe.feed(pipe.schema(), *(pipe.order(number) for number in range(5)), batch_size_rows=1)
    shown = pipe.rows()
    found = pinged()
    assert list(found) == ALL
    assert {check.status for check in found.values()} == {Status.FINE}
    assert {check.exit_code for check in found.values()} == {ExitCode.DONE}
    assert found["token"].found["lifetime_seconds"] == 3599
    assert found["workspace"].found == {"datasets": 1}
    assert found["dataset"].found == {"id": pipe.dataset().id, "name": "Purchasing", "push": True, "tables": ["orders"]}
    assert found["limits"].found == {
        "rows_this_hour": 999_995,
        "requests_this_minute": 115,
        "requests_this_hour": None,
        "largest_table_rows": 5,
    }
    assert all(call.startswith("GET ") or call.endswith("/executeQueries") for call in pipe.calls())
    assert pipe.rows() == shown


def test_a_dataset_that_would_be_made_is_none_that_lacks(pinged, pipe, tmp_path):
    found = pinged()
    assert list(found) == ALL[:-1]  # nothing is there that could be asked
    assert not failed(found)
    assert "the first run makes it" in found["dataset"].sentence
    assert found["limits"].found["rows_this_hour"] == 1_000_000
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("changes", "last", "code", "sentence"),
    [
        ({"dataset_name": None}, "configuration", 2, "Give one of the settings 'dataset_id'"),
        ({"client_certificate_path": "nowhere.pem", "client_secret": None}, "configuration", 2, "nowhere.pem"),
        ({"client_secret": "wrong-secret"}, "token", 2, "AADSTS7000215"),
        ({"tenant_id": "nowhere"}, "token", 2, "AADSTS90002"),
        ({"api_url": "http://127.0.0.1:9"}, "workspace", 1, "127.0.0.1:9 can't be reached"),
        ({"workspace_id": "00000000-0000-0000-0000-000000000000"}, "workspace", 2, "GroupNotAccessible"),
        (
            {"dataset_name": None, "dataset_id": "00000000-0000-0000-0000-000000000000"},
            "dataset",
            2,
            "sees no such dataset",
        ),
    ],
)
def test_what_is_wrong_is_the_last_line(pinged, changes, last, code, sentence):
    found = pinged(**changes)
    assert list(found)[-1] == last
    assert failed(found) == [last]
    assert found[last].exit_code == code
    assert sentence in found[last].sentence
    assert "wrong-secret" not in found[last].sentence


def test_a_dataset_that_may_not_be_made_is_missed(pinged):
    found = pinged(manage_schema=False)
    assert failed(found) == ["dataset"]
    assert "manage_schema is off" in found["dataset"].sentence


@pytest.mark.parametrize(
    ("push", "twins", "sentence"),
    [(False, 1, "was not made for pushing"), (True, 2, "has 2 datasets called 'Purchasing'")],
)
def test_a_dataset_that_can_not_be_meant_is_told(pinged, pipe, push, twins, sentence):
    for number in range(twins):
        made = Dataset(f"0000000{number}-0000-0000-0000-000000000000", "Purchasing", "2026-01-01T00:00:00Z", push=push)
        pipe.world.powerbi[made.id] = made
    found = pinged()
    assert failed(found) == ["dataset"]
    assert sentence in found["dataset"].sentence


def test_a_tenant_without_queries_is_noticed_and_stops_no_run(pinged, pipe):
    pipe.feed(pipe.schema(), pipe.order(1))
    pipe.world.switches.powerbi_queries = "refuse"
    found = pinged()
    assert not failed(found)
    assert found["queries"].status is Status.NOTICE
    assert "'Dataset Execute Queries REST API'" in found["queries"].sentence


def test_while_a_run_is_going_on_what_is_left_is_not_known(pinged, pipe):
    pipe.feed(pipe.schema(), pipe.order(1))
    running = Kept(pipe.kept_file())
    try:
        found = pinged()
    finally:
        running.close()
    assert found["limits"].status is Status.NOTICE
    assert "Another run delivers to this dataset" in found["limits"].sentence
    assert "queries" in found


def test_a_service_that_is_down_is_said_without_long_patience(pinged, pipe):
    pipe.fault("status", status=503, times=None)
    found = pinged(retry_limit_seconds=3600)
    pipe.world.faults.clear()
    assert failed(found) == ["workspace"]
    assert found["workspace"].exit_code == ExitCode.FAILED
    assert sum(pipe.time.waits) <= 10


@pytest.mark.parametrize("tables", [0, 2])
def test_a_landing_zone_can_be_listed(pinged, tmp_path, tables):
    zone = tmp_path / "landing zone"
    for number in range(tables):
        (zone / f"table{number}").mkdir(parents=True)
    changes = {"destination": "fabric_mirroring", "landing_zone_url": zone.as_uri()}
    found = pinged(**changes, tenant_id=None, client_id=None, client_secret=None, workspace_id=None, dataset_name=None)
    assert list(found) == ["configuration", "landing zone"]
    assert not failed(found)
    assert found["landing zone"].found == {"tables": [f"table{number}" for number in range(tables)]}


def test_the_ping_is_installed_under_the_name_of_the_target(pipe, tmp_path):
    (point,) = [point for point in entry_points(group=PINGS) if point.name == "target-powerbi"]
    assert point.load() is PING
    path = tmp_path / "target.json"
    path.write_text(json.dumps(pipe.config))
    done = CliRunner().invoke(ping, ["target-powerbi", "--config", str(path)], standalone_mode=False)
    assert done.return_value == ExitCode.DONE
    assert done.stdout.startswith("Power BI (target-powerbi)\n  ✓ configuration: ")
    assert pipe.config["client_secret"] not in done.stdout


@given(
    sent=st.lists(st.tuples(st.floats(0, 7200), st.integers(0, 10_000)), max_size=200),
    large=st.booleans(),
    rows=st.integers(1, 10_000),
)
def test_what_is_left_is_what_may_leave_at_once(sent, large, rows):
    sent, now = sorted(sent), 7200.0
    left = allowance(sent, now, large=large)
    fits = rows <= left.rows and left.requests > 0 and left.requests_this_hour != 0
    wait = wait_for(Load(rows, large), sent, now)
    assert fits == (wait is None or wait.until == now)
    assert (left.requests_this_hour is None) == (not large)
    assert left.rows <= LIMITS.rows_per_hour
