"""What ``ifs-bi ping`` finds out about IFS Cloud, against the sandbox."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from ifs_bi_core.errors import ExitCode
from ifs_bi_core.http.client import Surroundings
from ifs_bi_core.ping import Status, ping
from ifs_bi_core.singer.configuration import settings_of
from ifs_bi_sandbox.faults import Fault
from pipeline.pulling import access
from tap_ifs_cloud.page_limits import PageLimits
from tap_ifs_cloud.ping import checks
from tap_ifs_cloud.tap import TapIfsCloud

ALL = ["configuration", "token", "projection", "row", "Allowed Companies", "clock", "pages"]


@pytest.fixture
def pinged(box, tmp_path):
    """The checks by name, with changed settings."""
    given = {
        **access(box),
        "state_dir": str(tmp_path / "state"),
    }

    def call(ahead=0.0, **changes):
        path = tmp_path / "tap.json"
        path.write_text(json.dumps({name: value for name, value in (given | changes).items() if value is not None}))
        real = Surroundings(sleep=lambda _: None)
        return {
            check.name: check
            for check in checks(
                settings_of(TapIfsCloud, [str(path)]), replace(real, clock=lambda: real.clock() + ahead)
            )
        }

    return call


def failed(found):
    return [name for name, check in found.items() if check.status is Status.FAILED]


def test_all_is_well(pinged):
    found = pinged()
    assert list(found) == ALL
    assert {check.status for check in found.values()} == {Status.FINE}
    assert {check.exit_code for check in found.values()} == {ExitCode.DONE}
    assert found["token"].found["lifetime_seconds"] == 180
    assert "a token lives 180 seconds" in found["token"].sentence
    assert found["row"].found == {"entity_set": "CompanySet", "rows": 1, "etag": True}
    assert found["Allowed Companies"].found["visible"] == ["10", "20"]


@pytest.mark.parametrize(
    ("changes", "last", "code", "parts"),
    [
        ({"client_secret": "not-the-secret"}, "token", 2, ["answered 401 (invalid_client"]),
        ({"realm": "elsewhere"}, "token", 2, ["answered 404", "Realm does not exist"]),
        ({"realm": None}, "configuration", 2, ["Neither realm nor token_url is set"]),
        ({"base_url": "http://acme.ifs.cloud"}, "configuration", 2, ["http is allowed for loopback addresses alone"]),
        ({"base_url": "http://127.0.0.1:9"}, "token", 1, ["127.0.0.1:9 can't be reached"]),
        ({"entities": [{"name": "x"}]}, "configuration", 2, ["needs projection and entity_set"]),
        ({"streams": ["nope"]}, "projection", 2, ["streams names nope"]),
    ],
)
def test_what_is_configured_wrongly_is_the_last_line(pinged, changes, last, code, parts):
    found = pinged(**changes)
    assert list(found)[-1] == last
    assert failed(found) == [last]
    assert found[last].exit_code == code
    assert all(part in found[last].sentence for part in parts), found[last].sentence
    assert "not-the-secret" not in found[last].sentence


def test_a_token_endpoint_may_be_named_instead_of_the_realm(box, pinged):
    token_url = f"{box.ifs_url}/auth/realms/{box.world.switches.realm}/protocol/openid-connect/token"
    assert failed(pinged(realm=None, token_url=token_url)) == []


def test_a_system_that_is_down_is_said_once_and_without_long_patience(box, pinged):
    box.world.faults.append(Fault("ifs", "status", status=503, times=None))
    found = pinged(retry_limit_seconds=3600)
    assert list(found)[-1] == "projection"
    assert failed(found) == ["projection"]
    assert "answered 503" in found["projection"].sentence


@pytest.mark.parametrize(
    ("fault", "last", "words"),
    [
        (Fault("ifs", "status", status=200, message="<html>Sign in</html>", path="*.svc*"), "projection", "sign in"),
        (Fault("ifs", "status", status=302, headers={"Location": "https://idp.example/"}), "projection", "sign in"),
        (Fault("ifs", "status", status=401), "projection", "service account"),
        (Fault("token", "status", status=200, message="<html>"), "token", "without an access token"),
        (Fault("token", "status", status=503), "token", "answered 503"),
    ],
)
def test_what_is_no_answer_of_ifs_cloud_is_said_once(box, pinged, fault, last, words):
    box.world.faults.append(replace(fault, times=None))
    found = pinged()
    assert list(found)[-1] == last
    assert failed(found) == [last]
    assert words in found[last].sentence


def test_a_user_without_any_grant_learns_which_one_is_missing(box, pinged):
    box.world.faults.append(Fault("ifs", "status", status=403, code="SE_UNAUTHORIZED", path="*.svc*", times=None))
    found = pinged(streams=["sites"])
    assert failed(found) == ["projection"]
    assert found["projection"].exit_code == ExitCode.FAILED
    assert all(part in found["projection"].sentence for part in ("403", "CompanyHandling", "Grant"))


def test_a_user_with_other_grants_than_companies_is_served(box, pinged):
    box.world.switches.forbidden_projections = ["CompanyHandling"]
    found = pinged(streams=["sites"])
    assert failed(found) == []
    assert found["projection"].found["projection"] == "SitesHandling"
    assert found["row"].found["entity_set"] == "SiteSet"
    assert found["Allowed Companies"].status is Status.NOTICE
    assert "CompanyHandling" in found["Allowed Companies"].sentence


def test_a_projection_that_the_tenant_has_without_the_set_is_passed_over(pinged):
    wrong = {"name": "companies", "entity_set": "Nope"}
    assert pinged(entities=[wrong])["projection"].found["projection"] == "SitesHandling"


def test_of_a_collection_that_is_keyed_by_company_the_set_before_it_is_looked_at(box, pinged):
    box.world.switches.forbidden_projections = ["CompanyHandling"]
    cost_centres = {
        "name": "cost_centres",
        "projection": "CodePartValuesHandling",
        "entity_set": "CompanyFinanceSet/CodeBArray",
        "company": "Company",
        "key": ["Company", "CodePart", "CodePartValue"],
    }
    found = pinged(streams=["cost_centres"], entities=[cost_centres])
    assert failed(found) == []
    assert found["row"].found == {"entity_set": "CompanyFinanceSet", "rows": 1, "etag": True}
    assert "CompanyFinanceSet was asked for" in found["pages"].sentence


def test_a_user_without_companies_is_sent_to_allowed_companies(box, pinged):
    box.world.switches.allowed_companies = []
    found = pinged()
    assert failed(found) == ["row", "Allowed Companies"]
    for name in failed(found):
        assert "Allowed Companies of the client's service user" in found[name].sentence
        assert found[name].exit_code == ExitCode.FAILED


def test_companies_that_the_user_does_not_see_are_named(box, pinged):
    box.world.switches.allowed_companies = ["10"]
    found = pinged(companies=["10", "20", "99"])
    assert failed(found) == ["Allowed Companies"]
    assert found["Allowed Companies"].found == {"visible": ["10"], "missing": ["20", "99"]}
    assert "does not see 20, 99 of the setting `companies`" in found["Allowed Companies"].sentence
    assert failed(pinged(companies=["10"])) == []


@pytest.mark.parametrize("paging", ["client", "next_absolute", "next_relative", "silent_cap"])
def test_every_company_is_seen_however_pages_are_cut(box, pinged, paging):
    box.world.switches.paging, box.world.switches.page_cap = paging, 1
    assert pinged()["Allowed Companies"].found["visible"] == ["10", "20"]


@pytest.mark.parametrize(
    ("ahead", "status", "words"),
    [
        (0, Status.FINE, "same time"),
        (50, Status.FINE, "same time"),
        (-50, Status.FINE, "same time"),
        (3600, Status.NOTICE, "ahead of IFS Cloud's"),
        (-3600, Status.NOTICE, "behind IFS Cloud's"),
    ],
)
def test_a_clock_that_is_off_by_more_than_a_minute_is_told(pinged, ahead, status, words):
    clock = pinged(ahead)["clock"]
    assert clock.status is status
    assert words in clock.sentence
    assert abs(clock.found["skew_seconds"] + ahead) <= 3


@pytest.mark.parametrize(
    ("paging", "cap", "page_size", "expected"),
    [
        ("client", 5000, 5, {"rows": 5, "next_link": False, "cap": None, "top_heeded": True}),
        ("next_absolute", 3, 5, {"rows": 3, "next_link": True, "cap": 3, "top_heeded": True}),
        ("next_relative", 3, 5, {"rows": 3, "next_link": True, "cap": 3, "top_heeded": True}),
        ("silent_cap", 3, 5, {"rows": 3, "next_link": False, "cap": 3, "top_heeded": True}),
    ],
)
@pytest.mark.parametrize("refused", [[], ["GenLedVoucherRowSet", "CustomerOrderLineSet"]])
def test_how_the_system_cuts_pages_is_found_out(box, pinged, paging, cap, page_size, expected, refused):
    box.world.switches.paging, box.world.switches.page_cap = paging, cap
    box.world.switches.refuse_select = refused
    pages = pinged(page_size=page_size)["pages"]
    assert {name: pages.found[name] for name in expected} == expected
    assert pages.status is Status.FINE


def test_a_set_that_is_too_small_tells_nothing_and_says_so(pinged):
    pages = pinged(streams=["companies"])["pages"]
    assert pages.found["cap"] is None
    assert "gave all 2 that it has: too few to tell" in pages.sentence


def test_of_a_stream_that_joins_others_the_last_one_is_looked_at(pinged):
    found = pinged(streams=["journal_entries"])
    assert "GenLedVoucherRowSet" in found["pages"].sentence or found["pages"].found["cap"] is None
    assert all(check.status is not Status.FAILED for check in found.values())


def test_without_a_set_to_look_at_the_pages_are_not_known(box, pinged):
    box.world.switches.allowed_companies = []
    assert pinged(streams=["companies"])["pages"].status is Status.NOTICE


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (PageLimits("S", 10, 50, link=False), "$top is not heeded"),
        (PageLimits("S", 10, 3, link=True), "link to the next page"),
        (PageLimits("S", 10, 3, link=False, more=True), "cuts pages there"),
        (PageLimits("S", 10, 10, link=False), "are not cut"),
        (PageLimits("S", 10, 3, link=False, more=False), "too few to tell"),
    ],
)
def test_every_finding_has_its_sentence(limits, words):
    assert words in limits.sentence


def test_the_installed_command_pings_ifs_cloud(box, tmp_path, monkeypatch):
    env = box.environment()
    monkeypatch.chdir(tmp_path)
    for name in ("BASE_URL", "REALM", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(f"TAP_IFS_CLOUD_{name}", env[f"IFS_{name}"])
    ran = CliRunner().invoke(ping, ["tap-ifs-cloud"], standalone_mode=False)
    assert ran.return_value == ExitCode.DONE
    lines = ran.output.splitlines()
    assert lines[0] == "IFS Cloud (tap-ifs-cloud)"
    assert [line.split(":")[0] for line in lines[1:]] == [f"  ✓ {name}" for name in ALL]
    assert env["IFS_CLIENT_SECRET"] not in ran.output
