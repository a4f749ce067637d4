"""Looker's own client over our policies: signed in again, patient, alone with its settings, and never on the phone to others."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import (
    AuthError,
    ConfigError,
    ContractBrokenError,
    NotSentError,
    OutcomeUnknownError,
    UnavailableError,
)
from ifs_bi_core.redaction import REDACTOR
from looker_stand_in import LookerBox
from target_looker_warehouse.looker.api import connect
from target_looker_warehouse.looker.known import KnownDatagroups
from target_looker_warehouse.looker.plan import Look, ids_of, plan
from target_looker_warehouse.looker.settings import Item, LookerSettings
from target_looker_warehouse.row_counts import count_query, counts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_looker_warehouse.looker.api import Looker

DOCUMENTED = "https://cloud.google.com/looker/docs/r/err/4.0/404/get/connections"


@pytest.fixture
def box(looker: LookerBox) -> LookerBox:
    """Here ``looker`` is what speaks to it."""
    return looker


@pytest.fixture
def api(box: LookerBox) -> Callable[..., Looker]:
    return lambda **changes: connect(box.settings(**changes), box.surroundings)


def test_a_token_that_ends_in_the_middle_is_renewed_once_and_the_call_repeated(box, api):
    looker = api()
    assert looker.user() == "IFS BI loader"
    box.fault("revoke_tokens")
    assert looker.datagroups() == {"ifs_cloud.purchasing_loads": "7", "ifs_cloud.general_ledger_loads": "8"}
    assert box.logins() == 2
    assert box.waits == []


def test_an_hour_later_the_call_signs_in_again(box, api):
    looker = api()
    looker.user()
    box.world.now = lambda: time.time() + 3601
    assert looker.user() == "IFS BI loader"
    assert box.logins() == 2


def test_a_token_that_is_refused_twice_is_the_keys_fault(box, api):
    box.fault("status", path="*/user", times=None, status=401, message="Requires authentication.", code="401")
    with pytest.raises(AuthError, match="refuses the token that it just gave"):
        api().user()
    assert box.logins() == 2


def test_retry_after_is_waited_for(box, api):
    box.fault("status", path="*/datagroups", status=429, retry_after=7)
    box.fault("status", path="*/datagroups", status=503, retry_after=9)
    assert len(api().datagroups()) == 2
    assert box.waits == [7.0, 9.0]


def test_what_is_safe_twice_is_repeated_when_the_answer_is_lost(box, api):
    box.fault("reset", method="PATCH", after=True)
    box.fault("status", method="PATCH", status=500)
    api().trigger("ifs_cloud.purchasing_loads", "7")
    assert [call for call in box.calls() if call.startswith("update")] == [
        "update_datagroup ifs_cloud.purchasing_loads"
    ] * 2


def test_what_is_not_safe_twice_is_sent_once(box, api):
    looker = api()
    for kind, how in (("reset", {}), ("status", {"status": 502})):
        box.fault(kind, path="*/run_once", after=True, **how)
        with pytest.raises(OutcomeUnknownError, match="scheduled plan 12"):
            looker.send_plan("12")
    assert box.world.looker.plans["12"].deliveries == 2
    box.fault("status", path="*/start", after=True, status=504)
    with pytest.raises(OutcomeUnknownError, match=r"derived table 'ifs_cloud\.spend_by_cost_centre'"):
        looker.build("ifs_cloud", "spend_by_cost_centre")
    assert len(box.world.looker.builds) == 1
    assert box.waits == []


def test_a_looker_that_never_comes_back_is_given_up_in_two_minutes(box, api):
    with pytest.raises(NotSentError, match=r"127\.0\.0\.1:9 can't be reached"):
        api(base_url="http://127.0.0.1:9").user()
    assert 0 < sum(box.waits) <= 120


def test_a_refusal_asks_no_other_server_for_its_words(box, api, monkeypatch):
    body = {"message": "Not found", "documentation_url": DOCUMENTED}
    box.fault("status", path="*/connections/*", status=404, body=body)
    looker = api()
    looker.user()
    reached: list[Any] = []
    connected = socket.socket.connect
    monkeypatch.setattr(
        socket.socket, "connect", lambda self, address: reached.append(address) or connected(self, address)
    )
    monkeypatch.setattr("requests.get", lambda *args, **_: reached.append(args))
    with pytest.raises(ConfigError, match="test of connection 'warehouse': Looker answered 404 'Not found'"):
        looker.test("warehouse")
    assert {address[0] for address in reached} <= {"127.0.0.1"}


def test_a_failed_validation_says_which_field_and_why(box, api):
    box.world.now = lambda: time.time() - 100  # its answers still carry the real time
    with pytest.raises(
        ConfigError, match=r"422 'Validation Failed: (triggered_at|stale_before) cannot be in the future'"
    ):
        api().trigger("ifs_cloud.purchasing_loads", "7")


@pytest.mark.parametrize("skew", [3600.0, -3600.0, 0.0])
def test_a_trigger_is_never_in_the_future_of_either_clock(box, api, skew):
    box.skew = skew
    at = api().trigger("ifs_cloud.purchasing_loads", "7")
    now = time.time()
    assert at <= min(now, now + skew)
    assert at >= min(now, now + skew) - 5
    assert box.triggered() == at


def test_no_file_and_no_variable_tells_the_client_anything(box, api, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stray = "[Looker]\nbase_url=http://127.0.0.1:9\nclient_id=stray\nclient_secret=stray-secret\nverify_ssl=false\n"
    Path("looker.ini").write_text(stray)
    monkeypatch.setenv("LOOKERSDK_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LOOKERSDK_CLIENT_SECRET", "another-stray-secret")
    assert api().user() == "IFS BI loader"


def test_a_body_is_json_also_right_after_a_login(box, api):
    api().trigger("ifs_cloud.purchasing_loads", "7")  # its first call: a form would be a bad request
    assert box.calls() == ["update_datagroup ifs_cloud.purchasing_loads"]


def test_the_secret_travels_in_the_form_and_is_known_to_the_redactor(box, api):
    api().user()
    assert [call["query"] for call in box.world.requests] == [{}, {}]
    assert box.looker["client_secret"] not in REDACTOR.redact(f"sent {box.looker['client_secret']}")
    assert box.looker["client_secret"] not in repr(box.settings())


@pytest.mark.parametrize("body", ["<html>Sign in</html>", '{"access_token": 1}', "[]", '{"access_token": "x"}'])
def test_something_else_at_the_address_is_told_at_the_sign_in(box, api, body):
    box.fault("status", path="*/login", status=200, message=body, headers={"Content-Type": "text/html"})
    with pytest.raises(AuthError, match=r"looker\.base_url is not Looker's API"):
        api().user()


@pytest.mark.parametrize(("status", "body"), [(200, "<html>"), (200, "[1]"), (302, ""), (200, "{}")])
def test_something_else_behind_a_gateway_is_told_too(box, api, status, body):
    box.fault("status", path="*/datagroups/*", status=status, message=body, headers={"Content-Type": "text/html"})
    with pytest.raises(UnavailableError, match=r"looker\.base_url"):
        api().trigger("ifs_cloud.purchasing_loads", "7")
    box.fault("status", path="*/run_once", status=status, message=body, headers={"Content-Type": "text/html"})
    with pytest.raises(OutcomeUnknownError, match=r"looker\.base_url"):
        api().send_plan("12")
    box.fault("status", path="*/user", status=status, message=body, headers={"Content-Type": "text/html"})
    with pytest.raises(UnavailableError, match=r"looker\.base_url"):
        api().user()


def test_a_list_that_holds_no_datagroups_is_told(box, api):
    box.fault("status", path="*/datagroups", status=200, message="[1]", headers={"Content-Type": "text/html"})
    with pytest.raises(UnavailableError, match=r"looker\.base_url"):
        api().datagroups()


@pytest.mark.parametrize("body", ["", "no rows", '{"a": 1}', "[1]"])
def test_an_answer_of_sql_runner_that_holds_no_rows_is_told(box, api, body):
    box.fault("status", path="*/run/json", status=200, message=body, headers={"Content-Type": "application/json"})
    with pytest.raises(ContractBrokenError, match="holds no rows"):
        api().rows("warehouse", "SELECT 1")


# Pure parts

NAMES = st.sampled_from(["m.a", "m.b", "n.a", "a"])
LOOKERS = st.builds(
    LookerSettings,
    base_url=st.just("https://looker.example.com"),
    client_id=st.just("id"),
    client_secret=st.just("secret"),
    connection=st.sampled_from([None, "warehouse"]),
    datagroups=st.lists(NAMES.map(Item), unique=True, max_size=3).map(tuple),
    pdt_builds=st.lists(NAMES.map(Item), unique=True, max_size=2).map(tuple),
    scheduled_plans=st.lists(NAMES.map(Item), unique=True, max_size=2).map(tuple),
    verify=st.booleans(),
    max_calls=st.integers(1, 9),
)
COSTS = {Look.NONE: 0, Look.TEST: 1, Look.VERIFY: 2}


@settings(max_examples=40, deadline=None)
@given(LOOKERS, st.sets(NAMES), st.booleans(), st.data())
def test_a_plan_keeps_to_its_calls_and_forgets_nothing(looker, known, counted, data):
    kinds = {"datagroup": looker.datagroups, "pdt_build": looker.pdt_builds, "scheduled_plan": looker.scheduled_plans}
    every = [f"{kind} {item.name}" for kind, items in kinds.items() for item in items]
    due = {*data.draw(st.sets(st.sampled_from(every))), "connection warehouse"} if every else {"connection warehouse"}
    found = plan(looker, due, known, counted=counted)
    looked = [kind for kind, _ in found.told].count("connection")
    asked = any(kind == "datagroup" and name not in known for kind, name in found.told)  # for the ids, once a run
    assert COSTS[found.look] + len(found.told) - looked + asked <= looker.max_calls
    assert looked == (found.look is not Look.NONE)
    together = [kind.item(name) for kind, name in (*found.told, *found.later) if kind != "connection"]
    assert sorted(together) == sorted(due - {"connection warehouse"})
    if found.later:
        assert found.look is not Look.VERIFY
    assert looker.connection or found.look is Look.NONE


@settings(max_examples=30, deadline=None)
@given(st.lists(NAMES, unique=True), st.dictionaries(st.sampled_from(["m.a", "m.b", "n.a"]), st.text(min_size=1)))
def test_a_name_has_an_id_where_exactly_one_datagroup_can_be_meant(wanted, found):
    ids = ids_of(wanted, found)
    for name in wanted:
        meant = {value for full, value in found.items() if name in {full, full.split(".")[1]}}
        assert ids.get(name) == (meant.pop() if len([f for f in found if name in {f, f.split(".")[1]}]) == 1 else None)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.integers(0, 50), st.integers(0, 10**12), max_size=8))
def test_counts_are_read_in_any_case_and_as_text(counts):
    upper = [{"PLACE": place, "ROW_COUNT": rows} for place, rows in counts.items()]
    text = [{"place": str(place), "row_count": str(rows)} for place, rows in counts.items()]
    assert counts_of(upper) == counts_of(text) == counts


def test_the_count_of_all_tables_is_one_query():
    assert count_query(['"s"."a"', '"s"."b"'], "ifs-bi 1") == (
        '-- ifs-bi 1\nSELECT 0 AS place, COUNT(*) AS row_count FROM "s"."a"'
        '\nUNION ALL SELECT 1 AS place, COUNT(*) AS row_count FROM "s"."b"'
    )


@pytest.mark.parametrize("content", ["", "no json", "[]", '{"https://looker.example.com": 3}'])
def test_a_file_of_ids_that_can_not_be_read_knows_nothing_and_is_written_anew(tmp_path, content):
    known = KnownDatagroups(tmp_path, "https://looker.example.com")
    assert known.ids() == {}
    (tmp_path / "looker-datagroups.json").write_text(content)
    assert known.ids() == {}
    known.keep({"m.a": "7"})
    KnownDatagroups(tmp_path, "https://other.example.com").keep({"m.a": "8"})
    assert known.ids() == {"m.a": "7"}
