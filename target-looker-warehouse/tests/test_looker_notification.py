"""Looker is told what changed: after the load, with few calls, and by the next run where it can't be told now."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time

import duckdb
import pytest
from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError
from ifs_bi_core.singer.configuration import settings_of
from looker_stand_in import STATE, row, schema
from target_looker_warehouse.looker.settings import read_looker
from target_looker_warehouse.target import TargetLookerWarehouse

TEST = "test_connection warehouse"
LOOK_UP = "datagroups"
TRIGGER = "update_datagroup ifs_cloud.purchasing_loads"
COUNT = ["create_sql_query", "run_sql_query"]
PLAN = "scheduled_plan_run_once_by_id 12"
BUILD = "start_pdt_build ifs_cloud.spend_by_cost_centre"
ORDERS = (schema(), row(1), row(2), STATE)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture):
    """The sentences of the warnings so far."""
    return lambda: [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_a_first_run_makes_three_calls_and_later_ones_two(looker, warnings):
    before = int(time.time()) - 2
    assert looker.feed(*ORDERS) == ExitCode.DONE
    assert looker.calls() == [LOOK_UP, TRIGGER, TEST]
    assert looker.logins() == 1
    assert before <= looker.triggered() <= time.time()
    assert looker.world.looker.datagroups["7"].stale_before == looker.triggered()
    assert looker.world.looker.datagroups["8"].triggered_at is None
    assert looker.feed(schema(), row(3)) == ExitCode.DONE
    assert looker.calls() == [TRIGGER, TEST]
    assert looker.pending() == []
    assert warnings() == []


def test_rows_and_batches_and_streams_cost_no_call(looker):
    many = [line for stream in ("a", "b", "c") for line in (schema(stream), *(row(n, stream) for n in range(20)))]
    looker.feed(*many, target={"batch_size_rows": 2})
    assert looker.calls() == [LOOK_UP, TRIGGER, TEST]


def test_a_run_that_changes_nothing_does_not_even_sign_in(looker):
    looker.feed(schema(), STATE)
    assert looker.feed() == ExitCode.DONE
    assert list(looker.world.requests) == []


def test_a_run_without_rows_opens_no_warehouse_to_count_them(looker):
    assert looker.feed(verify=True, datagroups=None) == ExitCode.DONE
    assert not looker.file.exists()


def test_the_load_is_complete_when_looker_hears_of_it(looker):
    looker.feed(*ORDERS, verify=True, datagroups=None)
    assert looker.calls() == COUNT
    assert json.loads(looker.out) == {"bookmark": 1}


def test_verify_takes_the_place_of_the_test_and_is_put_off_where_calls_are_few(looker, caplog):
    caplog.set_level(logging.INFO)
    looker.feed(*ORDERS, verify=True)
    assert looker.calls() == [LOOK_UP, TRIGGER, TEST]
    looker.feed(schema(), row(3), schema("lines"), row(1, "lines"), verify=True)
    assert looker.calls() == [TRIGGER, *COUNT]
    assert "sees the same number of rows in 2 changed tables" in caplog.text


def test_row_counts_of_postgresql_are_compared_too(looker, postgres_url, caplog, warnings):
    caplog.set_level(logging.INFO)
    looker.world.switches.looker_warehouse = postgres_url
    odd = 'odd "name"'
    target = {"warehouse_url": postgres_url, "schema": "Odd Schema"}
    looker.feed(*ORDERS, schema(odd), row(1, odd), target=target, verify=True, datagroups=None)
    assert looker.calls() == COUNT
    assert "sees the same number of rows in 2 changed tables" in caplog.text
    assert warnings() == []


def test_a_difference_is_a_warning_that_names_the_table_and_both_counts(looker, tmp_path, warnings):
    other = tmp_path / "other" / "warehouse.duckdb"
    other.parent.mkdir()
    with duckdb.connect(other) as elsewhere:
        elsewhere.execute("CREATE TABLE orders AS SELECT 1 AS id")
    looker.world.switches.looker_warehouse = str(other)
    assert looker.feed(*ORDERS, verify=True, datagroups=None) == ExitCode.DONE
    (said,) = warnings()
    assert '"main"."orders" has 2 rows and Looker sees 1' in said
    assert looker.pending() == []


def test_a_table_that_looker_can_not_see_is_a_warning(looker, tmp_path, warnings):
    looker.world.switches.looker_warehouse = str(tmp_path / "nowhere.duckdb")
    assert looker.feed(*ORDERS, verify=True, datagroups=None) == ExitCode.DONE
    (said,) = warnings()
    assert "query of connection 'warehouse': the database refuses it" in said
    assert "nowhere.duckdb" in said


def test_a_connection_that_fails_its_test_is_a_warning_and_the_datagroup_is_triggered(looker, warnings):
    looker.world.switches.looker_failing_tests = ["query"]
    assert looker.feed(*ORDERS) == ExitCode.DONE
    assert looker.calls() == [LOOK_UP, TRIGGER, TEST]
    (said,) = warnings()
    assert "connection 'warehouse' fails its test: query: Cannot query" in said


def test_looker_is_told_of_the_streams_that_it_wants_to_hear_of(looker):
    finance = {"name": "general_ledger_loads", "streams": ["vouchers"]}
    plan = {"name": "12", "streams": ["orders", "lines"]}
    wanted = {"datagroups": [finance], "scheduled_plans": [plan], "connection": None}
    looker.feed(*ORDERS, **wanted)
    assert looker.calls() == [PLAN]
    looker.feed(schema("vouchers"), row(1, "vouchers"), **wanted)
    assert looker.calls() == [LOOK_UP, "update_datagroup ifs_cloud.general_ledger_loads"]
    looker.feed(schema("other"), row(1, "other"), **wanted)
    assert looker.calls() == []


def test_a_datagroup_is_known_by_its_name_alone_where_one_model_has_it(looker, warnings):
    looker.feed(*ORDERS, datagroups=["purchasing_loads"], connection=None)
    assert looker.calls() == [LOOK_UP, TRIGGER]
    looker.world.looker.datagroups["8"].name = "purchasing_loads"
    looker.world.looker.datagroups["8"].model_name = "other"
    (looker.state_dir / "looker-datagroups.json").unlink()
    assert looker.feed(schema(), row(3), datagroups=["purchasing_loads"], connection=None) == ExitCode.DONE
    assert looker.calls() == [LOOK_UP]
    assert "or several of that name" in warnings()[-1]
    assert looker.pending() == []


def test_a_datagroup_that_is_not_there_is_a_warning_of_every_load(looker, warnings):
    for number in (1, 2):
        assert looker.feed(schema(), row(number), datagroups=["ifs.unknown"]) == ExitCode.DONE
        assert looker.calls() == [LOOK_UP, TEST]
        assert "Looker has no such datagroup" in warnings()[-1]


def test_datagroups_that_may_not_be_listed_are_a_warning_and_the_rest_is_told(looker, warnings):
    looker.fault("status", path="*/datagroups", status=403, code="403", message="Forbidden")
    assert looker.feed(*ORDERS, scheduled_plans=["12"], max_calls=9) == ExitCode.DONE
    assert looker.calls() == [TEST, PLAN]
    assert "list of datagroups: Looker answered 403 'Forbidden'. Give the role" in warnings()[-1]
    assert looker.pending() == []


def test_a_datagroup_that_was_made_anew_is_found_again_by_the_next_run(looker, warnings):
    looker.feed(*ORDERS)
    groups = looker.world.looker.datagroups
    groups["9"] = groups.pop("7")
    groups["9"].id = "9"
    assert looker.feed(schema(), row(3)) == ExitCode.DONE
    assert looker.pending() == ["datagroup ifs_cloud.purchasing_loads"]
    assert "told by the next run: datagroup ifs_cloud.purchasing_loads" in warnings()[-1]
    looker.feed()
    assert looker.calls() == [LOOK_UP, TRIGGER]
    assert looker.pending() == []


def test_what_there_are_no_calls_for_is_told_by_the_next_run(looker, warnings):
    wanted = {
        "datagroups": ["ifs_cloud.purchasing_loads", "ifs_cloud.general_ledger_loads"],
        "scheduled_plans": ["12"],
        "connection": None,
    }
    looker.feed(*ORDERS, **wanted)
    assert looker.calls() == [LOOK_UP, TRIGGER, "update_datagroup ifs_cloud.general_ledger_loads"]
    assert looker.pending() == ["scheduled_plan 12"]
    assert "told by the next run: scheduled_plan 12" in warnings()[-1]
    looker.feed(**wanted)
    assert looker.calls() == [PLAN]
    looker.feed(**wanted)
    assert looker.calls() == []


# Looker is down


def test_a_looker_that_is_down_leaves_the_load_and_the_exit_code_alone(looker, warnings):
    code = looker.feed(*ORDERS, base_url="http://127.0.0.1:9")
    assert code == ExitCode.DONE
    assert json.loads(looker.out) == {"bookmark": 1}
    with duckdb.connect(looker.file, read_only=True) as warehouse:
        assert warehouse.execute("SELECT count(*) FROM orders").fetchone() == (2,)
    said = warnings()[-1]
    assert said.startswith("The load stands, and Looker was not told all of it:")
    assert "127.0.0.1:9 can't be reached" in said
    assert sum(looker.waits) <= 120


def test_what_looker_could_not_be_told_is_told_by_the_next_run_though_that_one_changes_nothing(looker, warnings):
    looker.fault("status", times=None, status=503)
    assert looker.feed(*ORDERS) == ExitCode.DONE
    assert looker.pending() == ["connection warehouse", "datagroup ifs_cloud.purchasing_loads"]
    assert "The next run tells it: connection warehouse, datagroup ifs_cloud.purchasing_loads." in warnings()[-1]
    looker.world.faults.clear()
    assert looker.feed() == ExitCode.DONE
    assert looker.calls() == [LOOK_UP, TRIGGER, TEST]
    assert looker.pending() == []


def test_a_test_that_never_ends_keeps_nobody_from_the_news(looker):
    looker.fault("reset", path="*/test", times=None, after=True)
    assert looker.feed(*ORDERS) == ExitCode.DONE
    assert looker.triggered() is not None
    assert looker.pending() == ["connection warehouse"]
    looker.world.faults.clear()
    looker.feed()
    assert looker.calls() == [TEST]


def test_a_page_that_stands_before_looker_for_a_while_is_no_refusal(looker):
    page = {"status": 200, "message": "<html>Back soon</html>", "headers": {"Content-Type": "text/html"}}
    looker.fault("status", times=None, **page)
    assert looker.feed(*ORDERS) == ExitCode.DONE
    assert looker.pending() == ["connection warehouse", "datagroup ifs_cloud.purchasing_loads"]
    looker.world.faults.clear()
    looker.feed()
    assert looker.calls() == [LOOK_UP, TRIGGER, TEST]


def test_what_was_told_before_looker_went_down_is_not_told_again(looker):
    wanted = {"scheduled_plans": ["12"], "pdt_builds": ["ifs_cloud.spend_by_cost_centre"], "datagroups": None}
    looker.fault("status", path="*/derived_table/*", times=None, status=429)
    looker.feed(*ORDERS, **wanted)
    assert looker.calls() == [TEST]
    assert looker.pending() == ["scheduled_plan 12", "pdt_build ifs_cloud.spend_by_cost_centre"]
    looker.world.faults.clear()
    looker.feed(**wanted)
    assert looker.calls() == [BUILD, PLAN]
    assert looker.pending() == []


def test_a_run_that_fails_after_its_rows_leaves_the_notification_to_the_next_one(looker):
    with pytest.raises(IfsBiError):
        looker.feed(*ORDERS, row(1, "unannounced"), target={"batch_size_rows": 1})
    assert looker.calls() == []
    assert looker.pending() == ["connection warehouse", "datagroup ifs_cloud.purchasing_loads"]
    looker.feed()
    assert looker.calls() == [LOOK_UP, TRIGGER, TEST]


def test_what_is_no_longer_configured_is_no_longer_due(looker):
    looker.fault("status", times=None, status=503)
    looker.feed(*ORDERS)
    looker.world.faults.clear()
    looker.feed(datagroups=["ifs_cloud.general_ledger_loads"])
    assert looker.calls() == [TEST]
    assert looker.pending() == []


def test_a_wrong_secret_is_a_warning_without_the_secret(looker, warnings):
    assert looker.feed(*ORDERS, client_secret="wrong-secret-of-looker") == ExitCode.DONE
    assert "client_id and client_secret" in warnings()[-1]
    assert "wrong-secret-of-looker" not in "".join(warnings())
    assert looker.pending()
    assert looker.feed() == ExitCode.DONE
    assert looker.pending() == []


def test_looker_looks_at_a_file_that_the_command_has_closed(looker):
    process = looker.process(verify=True, datagroups=None)
    out, told = process.communicate("\n".join(ORDERS) + "\n")
    assert process.returncode == ExitCode.DONE, told
    assert json.loads(out) == {"bookmark": 1}
    assert looker.calls() == COUNT
    assert "sees the same number of rows in 1 changed table" in told


def killed_at(looker, path, **changes):
    """Run the command and kill it after Looker did what a request asks for; what it wrote."""
    process = looker.process(**changes)

    async def kill(_: float) -> None:
        process.kill()
        process.wait()

    looker.world.waiting = kill
    looker.fault("slow", path=path, seconds=1, after=True)
    out, _ = process.communicate("\n".join(ORDERS) + "\n")
    assert process.returncode == -signal.SIGKILL
    return out


def test_a_run_that_is_killed_while_it_tells_looker_leaves_it_to_the_next_one(looker):
    assert json.loads(killed_at(looker, "*/login")) == {"bookmark": 1}
    assert looker.pending() == ["connection warehouse", "datagroup ifs_cloud.purchasing_loads"]
    looker.feed()
    assert looker.calls() == [LOOK_UP, TRIGGER, TEST]
    assert looker.pending() == []


def test_a_run_that_is_killed_while_a_report_is_sent_leaves_it_at_that(looker):
    wanted = {"scheduled_plans": ["12"], "datagroups": None}
    killed_at(looker, "*/run_once", **wanted)
    assert looker.pending() == []
    looker.feed(**wanted)
    assert looker.world.looker.plans["12"].deliveries == 1


def test_no_file_holds_a_secret_or_a_token(looker):
    looker.feed(*ORDERS, verify=True)
    secrets = [looker.looker["client_secret"], *looker.world.looker_tokens]
    assert len(secrets) == 2
    files = [path for path in looker.state_dir.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert not any(secret.encode() in path.read_bytes() for secret in secrets), path


# Nothing is sent twice that would do harm twice


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("kind", ["reset", "status"])
def test_an_unanswered_plan_is_never_sent_again(looker, warnings, kind, after):
    looker.fault(kind, path="*/run_once", after=after, **({"status": 500} if kind == "status" else {}))
    assert looker.feed(*ORDERS, scheduled_plans=["12"], datagroups=None) == ExitCode.DONE
    assert looker.world.faults == []
    assert "sending of scheduled plan 12" in warnings()[-1]
    assert looker.pending() == []
    looker.feed(scheduled_plans=["12"], datagroups=None)
    assert looker.world.looker.plans["12"].deliveries == int(after)


def test_an_unanswered_build_is_never_begun_again_though_it_is_a_get(looker):
    looker.fault("reset", path="*/start", after=True)
    looker.feed(*ORDERS, pdt_builds=["ifs_cloud.spend_by_cost_centre"], datagroups=None)
    looker.feed(pdt_builds=["ifs_cloud.spend_by_cost_centre"], datagroups=None)
    assert len(looker.world.looker.builds) == 1


def test_a_plan_that_was_put_off_is_sent_by_the_next_run(looker):
    looker.fault("status", path="*/run_once", status=429, retry_after=1)
    looker.feed(*ORDERS, scheduled_plans=["12"], datagroups=None)
    assert looker.pending() == ["scheduled_plan 12"]
    looker.feed(scheduled_plans=["12"], datagroups=None)
    assert looker.world.looker.plans["12"].deliveries == 1


# The settings


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"client_id": None}, "client_id"),
        ({"base_url": "http://looker.example.com"}, "http is allowed for loopback addresses alone"),
        ({"base_url": "https://looker.example.com/api/4.0"}, "Write the API host alone"),
        ({"verify": True, "connection": None}, "'looker.verify' needs 'looker.connection'"),
        ({"pdt_builds": ["spend"]}, "Write model.view"),
        ({"datagroups": ["a", "b", "c"]}, "asks for 4 calls a run, and 'looker.max_calls' allows 3"),
        ({"data_groups": ["a"]}, "data_groups"),
        ({"datagroups": [{"name": "a"}]}, "looker"),
    ],
)
def test_what_can_not_be_meant_stops_the_run_before_anything_is_sent(looker, changes, sentence):
    with pytest.raises(IfsBiError, match=r"looker") as raised:
        looker.feed(*ORDERS, **changes)
    assert sentence in str(raised.value)
    assert raised.value.exit_code == ExitCode.WRONG_CONFIGURATION
    assert not looker.file.exists()


def test_lookers_client_is_needed_and_loaded_by_those_alone_who_have_a_looker(looker, monkeypatch):
    loaded = "import sys, target_looker_warehouse.target; print('looker_sdk' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
    monkeypatch.setitem(sys.modules, "looker_sdk", None)
    assert looker.feed(*ORDERS, target={"looker": None}) == ExitCode.DONE
    with pytest.raises(ConfigError, match=r"pip install 'target-looker-warehouse\[looker\]'"):
        looker.feed(*ORDERS)


def test_the_setting_may_come_from_the_environment(looker, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET_OF_LOOKER", looker.looker["client_secret"])
    given = looker.looker | {"client_secret": "env:SECRET_OF_LOOKER"}
    monkeypatch.setenv("TARGET_LOOKER_WAREHOUSE_LOOKER", json.dumps(given))
    found = settings_of(TargetLookerWarehouse)
    assert found["looker"]["client_secret"] == looker.looker["client_secret"]
    assert read_looker(found) == looker.settings()


def test_without_the_setting_there_is_nobody_to_tell(looker):
    assert looker.feed(*ORDERS, target={"looker": None}) == ExitCode.DONE
    assert list(looker.world.requests) == []


def test_more_calls_are_made_where_the_setting_allows_them(looker):
    looker.feed(
        *ORDERS, verify=True, scheduled_plans=["12"], pdt_builds=["ifs_cloud.spend_by_cost_centre"], max_calls=6
    )
    assert looker.calls() == [LOOK_UP, TRIGGER, *COUNT, BUILD, PLAN]


@pytest.mark.parametrize("method", ["append-only", "overwrite"])
def test_looker_is_told_whichever_way_rows_are_loaded(looker, method):
    looker.feed(*ORDERS, target={"load_method": method})
    assert looker.calls() == [LOOK_UP, TRIGGER, TEST]


def test_a_full_refresh_that_carried_no_row_is_told(looker):
    looker.feed(*ORDERS)
    looker.feed(schema(), json.dumps({"type": "ACTIVATE_VERSION", "stream": "orders", "version": 2}))
    assert looker.calls() == [TRIGGER, TEST]
