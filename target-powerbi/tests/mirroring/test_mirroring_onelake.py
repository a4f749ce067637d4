"""A landing zone in OneLake: Microsoft's own client against a stand-in of the service, which suffers faults."""

from __future__ import annotations

import contextlib
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import (
    AuthError,
    ConfigError,
    ContractBrokenError,
    ExitCode,
    IfsBiError,
    OutcomeUnknownError,
    ThrottledError,
    UnavailableError,
)
from ifs_bi_core.http.client import REAL
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_sandbox.fabric.onelake import OneLake, onelake_app
from ifs_bi_sandbox.faults import Fault
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.servers import Sandbox
from ifs_bi_sandbox.wire import Wire
from ifs_bi_sandbox.world import Switches
from target_powerbi.mirroring.address import landing_zone
from target_powerbi.mirroring.onelake import onelake_files

ZONE = "Ein Raum/ERP.MountedRelationalDatabase/Files/LandingZone"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The stand-in's files and address, with the token service beside it."""
    with Sandbox(scale=300) as box:
        lake = OneLake(tmp_path_factory.mktemp("lake"))
        wire = Wire(onelake_app(box.world, lake), box.world, "onelake", revoke=box.world.powerbi_tokens.clear)
        listener = Listener(wire)
        listener.start()
        yield box, lake, listener.url
        listener.stop()


@pytest.fixture
def onelake(service, mirror, tmp_path):
    """The pipe, with its landing zone in a fresh OneLake."""
    box, lake, url = service
    box.world.switches = Switches()
    box.world.faults.clear()
    box.world.requests.clear()
    lake.root, lake.present_status, lake.page = tmp_path / "lake", 409, 5000
    mirror.zone = lake.root / ZONE
    mirror.zone.mkdir(parents=True)
    mirror.config |= {
        "landing_zone_url": f"{url}/{ZONE}",
        "tenant_id": box.world.switches.tenant_id,
        "client_id": box.world.switches.powerbi_client_id,
        "client_secret": box.world.switches.powerbi_client_secret,
        "authority_host": box.login_url,
    }
    mirror.world, mirror.lake = box.world, lake
    return mirror


def fault(onelake, kind, *, method=None, path=None, **how):
    onelake.world.faults.append(Fault("onelake", kind, method=method, path=path, **how))


def files_of(onelake, **settings):
    found = onelake.target(**settings).settings
    return onelake_files(landing_zone(found.landing_zone_url), found, REAL, lambda _: None)


def test_rows_go_to_onelake_as_they_go_to_a_folder(onelake):
    table = {"orders": {"table": "Aufträge #1 ~@^"}}
    onelake.feed(onelake.schema(), onelake.order(1), onelake.order(2), onelake.state(1), tables=table)
    onelake.feed(onelake.schema(), onelake.order(1, 5), onelake.gone(2), onelake.order(3), tables=table)
    assert onelake.files("Aufträge #1 ~@^") == [1, 2]
    assert [(key, int(amount)) for key, amount in onelake.rows("Aufträge #1 ~@^", '"OrderNo", "Amount"')] == [
        ("1", 5),
        ("3", 1),
    ]
    assert not list(onelake.zone.rglob("*.tmp*"))
    onelake.feed(onelake.schema(), onelake.order(1, 5), tables=table)
    assert onelake.files("Aufträge #1 ~@^") == [2]
    onelake.check_ledger()


def test_the_address_of_the_portal_and_that_of_hadoop_are_the_same_place():
    written = {
        "abfss://My%20space@onelake.dfs.fabric.microsoft.com/ERP/Files/LandingZone/",
        "https://onelake.dfs.fabric.microsoft.com/My%20space/ERP/Files/LandingZone",
        "https://onelake.dfs.fabric.microsoft.com/My space/ERP/Files/LandingZone",
    }
    assert {str(landing_zone(url)) for url in written} == {
        "https://onelake.dfs.fabric.microsoft.com/My%20space/ERP/Files/LandingZone"
    }


def test_files_are_listed_in_several_answers_and_read_in_several_ranges(onelake):
    onelake.lake.page = 2
    files = files_of(onelake)
    for number in range(5):
        files.write(f"t/{number}", b"x" * number)
    assert files.names("t") == ["0", "1", "2", "3", "4"]
    assert files.names("u") == []
    assert files.read("t/4") == b"xxxx"
    assert files.read("t/0") == b""
    assert files.read("t/9") is None
    big = bytes(range(256)) * 200_000  # more than one range
    files.write("t/big", big)
    assert files.read("t/big") == big
    files.write("t/4", b"y")
    assert files.read("t/4") == b"y"
    files.remove("t/4")
    files.remove("t")
    files.remove("t")
    assert files.names("") == []


@pytest.mark.parametrize("status", [409, 412])
def test_a_file_of_another_writer_is_not_replaced(onelake, status):
    onelake.lake.present_status = status
    files = files_of(onelake)
    files.write("t/1.parquet", b"theirs")
    with pytest.raises(ContractBrokenError, match=r"has a file t/1\.parquet that this run did not write"):
        files.publish("t/1.parquet", b"mine")
    assert files.read("t/1.parquet") == b"theirs"


FAULTS = {
    "vanished before": {"kind": "reset"},
    "vanished after": {"kind": "reset", "after": True},
    "cut off": {"kind": "truncate"},
    "500 before": {"kind": "status", "status": 500, "code": "InternalError"},
    "500 after": {"kind": "status", "status": 500, "code": "InternalError", "after": True},
    "503 after": {"kind": "status", "status": 503, "code": "ServerBusy", "after": True, "times": 2},
    "429": {"kind": "status", "status": 429, "code": "TooManyRequests", "retry_after": 7, "times": 3},
    "token death": {"kind": "revoke_tokens"},
}


@pytest.mark.parametrize("how", FAULTS)
def test_a_fault_at_any_request_is_survived(onelake, how):
    onelake.feed(onelake.schema(), onelake.order(1), onelake.order(2))
    onelake.world.requests.clear()
    onelake.feed(onelake.schema(), onelake.order(1, 2))
    requests = sum(entry["service"] == "onelake" for entry in onelake.world.requests)
    assert requests >= 8
    for number in range(requests):
        fault(onelake, skip=number, **FAULTS[how])
        onelake.feed(onelake.schema(), onelake.order(1, 3 + number))
        assert not onelake.world.faults
        assert onelake.amounts() == {"1": 3 + number, "2": 1}
        assert onelake.files() == [3 + number]
    onelake.check_ledger()


FAULT = st.tuples(st.sampled_from(sorted(FAULTS)), st.integers(0, 14))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.lists(FAULT, min_size=2, max_size=2), st.integers(0, 9)), min_size=1, max_size=2))
def test_after_any_pair_of_faults_the_table_is_the_source_when_a_run_has_come_to_its_end(onelake, runs):
    onelake.feed(onelake.schema(), onelake.order(2), onelake.order(3))
    for faults, amount in runs:
        for how, skip in faults:
            fault(onelake, skip=skip, **FAULTS[how])
        messages = [onelake.schema(), onelake.order(1, amount), onelake.gone(2), onelake.order(3, amount)]
        for _ in range(2):
            with contextlib.suppress(IfsBiError):
                onelake.feed(*messages, batch_size_rows=2, retry_limit_seconds=1)
        onelake.world.faults.clear()
        onelake.feed(*messages)
        assert onelake.amounts() == {"1": amount, "3": amount}
    onelake.check_ledger()


def test_a_wait_that_onelake_asks_for_is_waited(onelake):
    onelake.feed(onelake.schema(), onelake.order(1))
    fault(onelake, "status", status=429, retry_after=7, times=2)
    onelake.waits.clear()
    onelake.feed(onelake.schema(), onelake.order(2))
    assert onelake.waits == [7, 7]


def test_a_service_that_stays_away_ends_the_run_and_the_next_one_goes_on(onelake):
    onelake.feed(onelake.schema(), onelake.order(1))
    fault(onelake, "status", status=500, method="PUT", path="*/orders/0*", times=None)
    with pytest.raises(UnavailableError, match=r"OneLake answered 500 for orders/0+2\.parquet\. Run again"):
        onelake.feed(onelake.schema(), onelake.order(2), retry_limit_seconds=5)
    onelake.world.faults.clear()
    onelake.feed(onelake.schema(), onelake.order(2))
    assert onelake.amounts() == {"1": 1, "2": 1}
    assert onelake.files() == [1, 2] or onelake.files() == [2]
    onelake.check_ledger()


@pytest.mark.parametrize("after", [False, True])
def test_a_rename_of_which_nobody_tells_is_found_out_by_the_next_run(onelake, after):
    onelake.feed(onelake.schema(), onelake.order(1))
    fault(onelake, "reset", method="PUT", path="*/orders/0*", times=None, after=after)
    fault(onelake, "reset", method="GET", path="*/orders/0*2.parquet", times=None)
    with pytest.raises(OutcomeUnknownError, match=r"Nobody knows whether orders/0+2\.parquet has come"):
        onelake.feed(onelake.schema(), onelake.order(2), onelake.gone(1), retry_limit_seconds=5)
    onelake.world.faults.clear()
    onelake.feed(onelake.schema(), onelake.order(2), onelake.gone(1))
    assert onelake.amounts() == {"2": 1}
    assert len({*onelake.files()} - {2}) == 0
    onelake.check_ledger()


@pytest.mark.parametrize(
    ("status", "code", "error", "sentence"),
    [
        (
            403,
            "Forbidden",
            AuthError,
            "OneLake answered 403 Forbidden for .* Give the app the role Contributor in the workspace",
        ),
        (401, "InvalidAuthenticationInfo", AuthError, "The token was renewed and refused again: check tenant_id"),
        (429, "TooManyRequests", ThrottledError, "OneLake answered 429 TooManyRequests .* Run again later"),
        (400, "InvalidInput", ContractBrokenError, "OneLake answered 400 InvalidInput .* no refusal that is known"),
        (503, "ServerBusy", UnavailableError, "OneLake answered 503 ServerBusy .* Run again when it is well"),
    ],
)
def test_every_refusal_has_its_sentence(onelake, status, code, error, sentence):
    fault(onelake, "status", status=status, code=code, message="No.", times=None)
    with pytest.raises(error, match=sentence) as told:
        onelake.feed(onelake.schema(), onelake.order(1), onelake.state(1), retry_limit_seconds=1)
    assert onelake.config["client_secret"] not in str(told.value)
    assert onelake.out == ""


@pytest.mark.parametrize("place", ["Nowhere/ERP.MountedRelationalDatabase", "Ein Raum/Other.MountedRelationalDatabase"])
def test_a_workspace_or_database_that_is_not_there_is_told(onelake, place):
    address = onelake.config["landing_zone_url"].replace("Ein Raum/ERP.MountedRelationalDatabase", place)
    with pytest.raises(
        ConfigError, match="There is no such workspace, mirrored database or landing zone: check landing_zone_url"
    ) as e:
        onelake.feed(onelake.schema(), onelake.order(1), landing_zone_url=address)
    assert e.value.exit_code == ExitCode.WRONG_CONFIGURATION


def test_a_database_into_which_nothing_was_ever_written_has_no_landing_zone_yet(onelake):
    onelake.zone.rmdir()
    onelake.feed(onelake.schema(), onelake.order(1))
    assert onelake.amounts() == {"1": 1}


def test_a_wrong_secret_is_told(onelake):
    with pytest.raises(ConfigError, match="AADSTS7000215"):
        onelake.feed(onelake.schema(), onelake.order(1), client_secret="wrong")


def test_a_redirect_is_not_followed(onelake):
    fault(onelake, "status", status=307, headers={"Location": "https://elsewhere.example.com/"}, times=None)
    with pytest.raises(IfsBiError, match="OneLake answered 307"):
        onelake.feed(onelake.schema(), onelake.order(1))


def test_requests_are_in_the_ledger_under_words_and_the_token_in_none_of_the_files(onelake):
    onelake.feed(onelake.schema(), onelake.order(1))
    tokens = [token.encode() for token in onelake.world.powerbi_tokens]
    written = b"".join(path.read_bytes() for path in onelake.state_dir.rglob("*") if path.is_file())
    assert tokens
    assert not [token for token in tokens if token in written]
    with contextlib.closing(Ledger.open(None, onelake.state_dir)) as ledger, ledger.database.read() as connection:
        told = connection.exec_driver_sql("SELECT * FROM attempts").fetchall()
    assert any("OneLake rename to orders/00000000000000000001.parquet" in row for row in told)


def test_what_is_not_installed_is_named_with_its_line(onelake, monkeypatch):
    monkeypatch.delitem(sys.modules, "target_powerbi.mirroring.onelake")
    monkeypatch.setitem(sys.modules, "azure.storage.filedatalake", None)
    with pytest.raises(ConfigError, match=r"is not installed. Install it with: pip install 'target-powerbi\[fabric\]'"):
        onelake.feed(onelake.schema(), onelake.order(1))
