"""Whatever goes wrong, alone or with something else: the right result, or the right sentence and exit code; then the next run.

The whole tap runs in this process against a server on loopback that suffers the sandbox's scripted faults. Its waits pass on a
clock of their own, so that none is waited for.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from ifs_bi_core.errors import ExitCode
from ifs_bi_sandbox.faults import PRESETS, Fault, preset
from left_to_prove import every
from pipeline.tenant import Tenant
from pipeline.undelayed import Pipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DONE, FAILED, WRONG = ExitCode.DONE, ExitCode.FAILED, ExitCode.WRONG_CONFIGURATION


@dataclass(frozen=True)
class Fact:
    """What a fault has to come to, wherever in the reading of rows it strikes.

    Attributes:
        fault: as it is scripted.
        code: the exit code of the run.
        sentence: what a person is told where the run does not end well.
        ends: whether the run ends with it; else the stream does, and others go on.
    """

    fault: Fault
    code: ExitCode = DONE
    sentence: str = ""
    ends: bool = False


def _passing(name: str, **changes: Any) -> Fact:
    return Fact(preset(name, **changes))


def _stopping(name: str, sentence: str) -> Fact:
    return Fact(preset(name, times=None), FAILED, sentence)


def _ending(name: str, sentence: str) -> Fact:
    return Fact(preset(name, times=None), FAILED, sentence, ends=True)


FACTS = {
    "throttled": _passing("throttled", times=3),
    "throttled without Retry-After": _passing("throttled_without_retry_after", times=3),
    "unavailable": _passing("unavailable", times=2),
    "time limit": _passing("operation_timeout"),
    "metadata renewed": _passing("metadata_changed", times=2),
    "database hiccup": _passing("database_error"),
    "gateway error": _passing("gateway_error", times=2),
    "gateway timeout": _passing("gateway_timeout"),
    "reset": _passing("reset", times=2),
    "reset midway": _passing("reset_mid_body", times=2),
    "cut off": _passing("truncated_body", times=2),
    "token revoked": _passing("token_revoked", skip=0),
    "slow": _passing("slow", times=3),
    "forbidden": _stopping("forbidden", "answered 403 SE_UNAUTHORIZED .* Grant the projection"),
    "not found": _stopping("not_found", "answered 404 ODP_RESOURCE_NOTFOUND .* no such projection or entity set"),
    "not implemented": _stopping("not_implemented", "answered 501 ODP_NOT_IMPLEMENTED .* does not support this"),
    "database error": _stopping("database_error", "answered 500 DATABASE_ERROR .* The database fails at this query"),
    "always too slow": _stopping("operation_timeout", "answered 504 ODP_OPERATION_TIMEOUT .* Lower page_size"),
    "always throttled": _ending("throttled", "answered 429 .* asked too often. Lower requests_per_minute"),
    "down": _ending("unavailable", "answered 503 .* does not answer properly now. Run again later"),
    "metadata always renewed": _ending(
        "metadata_changed", "answered 500 MI_MODIFIED_ERROR .* renews its metadata cache"
    ),
    "gateway down": _ending("gateway_error", "answered 502 with a web page"),
    "gateway always too late": _ending("gateway_timeout", "answered 504 .* A gateway stopped waiting"),
    "always reset": _ending("reset", "IFS Cloud page|connection"),
    "always reset midway": _ending("reset_mid_body", "connection"),
    "always cut off": _ending("truncated_body", "connection|cut off"),
    "gateway refuses": _ending("gateway_unauthorized", "answered 401 .*The token was renewed and refused again"),
    "sign-in page": _ending("sign_in_page", "answered 200 with a web page .* asks people to sign in"),
    "redirect": _ending("sign_in_redirect", "answered 302 and leads to login.example.com"),
}
"""Every preset of the sandbox's IFS Cloud: once or a few times where it passes by itself, for good where it doesn't."""

AS_SCRIPTED = [name for name, fact in FACTS.items() if fact.code is DONE or fact.fault in PRESETS.values()]
"""Those that last as long as the preset says."""

TWO_STREAMS = (["dated", "entire"], ["versioned", "journal_entries"])


@pytest.fixture(scope="module")
def pipe(tmp_path_factory) -> Iterator[Pipe]:
    folder = tmp_path_factory.mktemp("faults")
    tenant = Tenant(folder)
    with tenant.served() as address:
        made = Pipe(folder, tenant, address)
        assert made.run() == DONE
        made.assert_is_equal()
        yield made


def test_every_preset_of_ifs_cloud_is_among_the_facts():
    scripted = [replace(fact.fault, skip=0, times=None) for fact in FACTS.values()]
    for name, fault in PRESETS.items():
        assert fault.service != "ifs" or replace(fault, skip=0, times=None) in scripted, name


PLACES = {
    "a page of rows": ({"path": "*/RowSet", "skip": 4}, ["dated", "versioned"]),
    "the first voucher in hold": ({"path": "*/HoldSet", "skip": 0}, ["entire", "journal_entries"]),
    "a voucher in the ledger": ({"path": "*/LedgerSet", "skip": 1}, ["journal_entries"]),
    "any page": ({"path": "*Set", "skip": 9}, ["entire", "versioned"]),
}


def check(pipe: Pipe, code: int, facts: list[Fact], streams: Sequence[str]) -> None:
    """What a run has to come to that met these faults, and the next one that meets none."""
    failing = [fact for fact in facts if fact.code is not DONE]
    if not failing:
        assert code == DONE, pipe.said
        pipe.assert_is_equal(streams)
        return
    assert code == FAILED, pipe.said
    told = pipe.errors()
    assert any(re.search(fact.sentence, told) for fact in failing), told
    assert "was not made for" not in told
    if not any(fact.ends for fact in failing):
        assert "stopped early; the other streams are complete" in told
    pipe.assert_next_run_brings_everything(streams)


@pytest.mark.parametrize(("name", "place"), every(3, FACTS, PLACES))
def test_a_fault_alone_comes_to_what_the_table_says_and_the_next_run_brings_everything(pipe, name, place):
    fact = FACTS[name]
    requests, streams = PLACES[place]
    code, struck = pipe.suffer(replace(fact.fault, **requests), streams=streams)
    assert struck == [True]
    check(pipe, code, [fact], streams)


@pytest.mark.parametrize("name", every(3, AS_SCRIPTED))
def test_two_faults_in_one_run_come_to_what_the_table_says_and_the_next_run_brings_everything(pipe, name):
    """Each with itself and every third behind it in the table, in both orders in turn, at ever other requests.

    Renewals of the metadata may follow each other at one request, which is then given up: they are not paired with themselves.
    """
    place = AS_SCRIPTED.index(name)
    for number in range(place + 3 * (name == "metadata renewed"), len(AS_SCRIPTED), 3):
        other = AS_SCRIPTED[number]
        pair = [FACTS[name], FACTS[other]]
        if number % 2:
            pair.reverse()
        streams = TWO_STREAMS[number // 2 % 2]
        early, late = (fact.fault for fact in pair)
        code, struck = pipe.suffer(
            replace(early, path="*Set", skip=number % 5),
            replace(late, path="*Set", skip=5 + (place + number) % 6),
            streams=streams,
        )
        assert struck[0], (name, other)
        check(pipe, code, [fact for fact, is_struck in zip(pair, struck, strict=True) if is_struck], streams)


SIGN_IN = {
    "unknown client": (
        Fault("token", "status", times=None, status=401, code="invalid_client"),
        WRONG,
        "Sign-in to IFS",
    ),
    "a realm that is not there": (Fault("token", "status", times=None, status=404), WRONG, "Check base_url and realm"),
    "no token": (Fault("token", "status", times=None, status=200), FAILED, "without an access token"),
    "down": (Fault("token", "status", times=None, status=503), FAILED, "Run again when the service is well"),
    "hiccup": (Fault("token", "status", times=2, status=500), DONE, ""),
    "throttled": (Fault("token", "status", times=2, status=429), DONE, ""),
    "reset": (Fault("token", "reset", times=2), DONE, ""),
    "cut off": (Fault("token", "truncate", times=2), DONE, ""),
}


@pytest.mark.parametrize("name", SIGN_IN)
def test_a_sign_in_that_fails_sends_nothing_and_says_why(pipe, name):
    fault, expected, sentence = SIGN_IN[name]
    before = sum(pipe.arrived.moved.values())
    code, struck = pipe.suffer(fault)
    assert struck == [True]
    assert code == expected, pipe.said
    if code != DONE:
        assert sentence in pipe.errors()
        assert sum(pipe.arrived.moved.values()) == before
        pipe.assert_next_run_brings_everything()
    pipe.assert_is_equal()


def test_a_client_that_is_refused_in_the_middle_of_a_run_is_no_wrong_configuration(pipe):
    """Rows were sent: exit code 2 says that none was."""
    before = sum(pipe.arrived.moved.values())
    code, struck = pipe.suffer(
        preset("token_revoked", path="*Set", skip=20), replace(SIGN_IN["unknown client"][0], skip=1), concurrency=1
    )
    assert struck == [True, True]
    assert sum(pipe.arrived.moved.values()) > before
    assert code == FAILED
    assert "Sign-in to IFS Cloud" in pipe.errors()
    pipe.assert_next_run_brings_everything()


AT_DISCOVERY = {"forbidden": WRONG, "not found": WRONG, "not implemented": WRONG}
"""What the server says for good of a stream that the configuration names: the configuration is wrong. The rest as everywhere."""


@pytest.mark.parametrize("name", FACTS)
def test_a_fault_at_discovery_sends_nothing_or_passes(pipe, name):
    fact = FACTS[name]
    shutil.rmtree(pipe.state_dir / "metadata")
    before = sum(pipe.arrived.moved.values())
    code, struck = pipe.suffer(replace(fact.fault, path="*/HoldHandling.svc/$metadata"))
    assert struck == [True]
    assert code == AT_DISCOVERY.get(name, fact.code), pipe.said
    if code != DONE:
        assert sum(pipe.arrived.moved.values()) == before
        assert "$metadata of HoldHandling" in pipe.errors()
        pipe.assert_next_run_brings_everything()
    pipe.assert_is_equal()


@pytest.mark.parametrize("name", FACTS)
def test_companies_that_can_not_be_listed_stop_nothing(pipe, name):
    code, struck = pipe.suffer(replace(FACTS[name].fault, path="*/CompanySet"), streams=["versioned"])
    assert struck == [True]
    assert code == DONE, pipe.said
    pipe.assert_is_equal(["versioned"])
