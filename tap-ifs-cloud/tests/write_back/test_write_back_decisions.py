"""Laws of the decisions, against a simulated IFS Cloud on which anything may go wrong at any request."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.http.message import Response, case_insensitive
from tap_ifs_cloud.write_back.answers import Answer, Meaning, answer_of
from tap_ifs_cloud.write_back.course import SETTLED, Earlier, Outcome, Record, Result, View
from tap_ifs_cloud.write_back.decisions import MOST_SENDINGS, decide, needs_look
from tap_ifs_cloud.write_back.operations import Kind

OURS = {"Note": "ours"}


@dataclass(frozen=True)
class Subject:
    """An operation that sets Note, or runs an action that does."""

    kind: Kind
    has_key: bool = True
    version: str | None = None

    def differing(self, row):
        return [name for name, value in OURS.items() if row.get(name) != value]

    def touched(self, before, after):
        return [name for name in OURS if before.get(name) != after.get(name)]


@dataclass
class Tenant:
    """One record, or none; ``applied`` counts how often our request took effect."""

    row: dict | None
    version: int = 1
    applied: int = 0
    created: list = field(default_factory=list)

    def look(self):
        return None if self.row is None else Record(dict(self.row), f"W/{self.version}")

    def somebody(self, values):
        if self.row is not None:
            self.row |= values
            self.version += 1

    def serve(self, subject, etag):
        """What IFS Cloud does with our request, and its answer."""
        if subject.kind is Kind.CREATE:
            if subject.has_key and self.row is not None:
                return Meaning.REFUSED
            self.row = dict(OURS)
        elif self.row is None:
            return Meaning.GONE
        elif etag != f"W/{self.version}":
            return Meaning.STALE
        elif subject.kind is Kind.DELETE:
            self.row = None
        else:
            self.row |= OURS
        self.version += 1
        self.applied += 1
        return Meaning.DONE


SUBJECTS = [Subject(kind) for kind in Kind] + [Subject(Kind.CREATE, has_key=False)]
ANSWERS = [Meaning.REFUSED, Meaning.LOCKED, Meaning.FORM, Meaning.AGAIN]
steps = st.tuples(
    st.sampled_from(["ok", "lost before", "lost after", "somebody elsewhere", "somebody here", *ANSWERS]),
    st.sampled_from(["nothing", "somebody elsewhere", "somebody here"]),
)


def carried_out(subject, tenant, script, before=None):
    """The end of the operation, and what a later run knows of it."""
    view = View(before=before)
    script = list(script)
    etag = None
    while True:
        if needs_look(subject, view):
            view = view.looked(tenant.look())
        step = decide(subject, view)
        if isinstance(step, Result):
            return step, Earlier(etag) if step.outcome is Outcome.UNKNOWN and view.sendings else before
        etag = step.etag
        happens, then = script.pop(0) if script else ("ok", "nothing")
        if isinstance(happens, Meaning):
            answer = happens
        elif happens == "lost before":
            answer = Meaning.DOUBT
        else:
            if happens.startswith("somebody"):
                tenant.somebody({"Note": "theirs"} if happens.endswith("here") else {"Other": "theirs"})
            answer = tenant.serve(subject, step.etag)
            if happens == "lost after":
                answer = Meaning.DOUBT
        view = view.sent(Answer(answer, f"{answer.name}."))
        assert view.sendings <= MOST_SENDINGS
        if then.startswith("somebody"):
            tenant.somebody({"Note": "theirs"} if then.endswith("here") else {"Other": "theirs"})


def a_tenant(subject, *, exists=None):
    there = subject.kind is not Kind.CREATE if exists is None else exists
    return Tenant({"Note": "before", "Other": "x"} if there else None)


@settings(max_examples=600)
@given(st.sampled_from(SUBJECTS), st.lists(steps, max_size=7))
def test_nothing_is_done_twice_and_nothing_is_called_done_that_is_not(subject, script):
    tenant = a_tenant(subject)
    result, _ = carried_out(subject, tenant, script)
    assert tenant.applied <= 1
    others_say_so = any("somebody" in one for step in script for one in map(str, step))
    if result.outcome in SETTLED:
        assert tenant.applied == 1 or (subject.kind is Kind.UPDATE and others_say_so)
    elif tenant.applied:
        assert result.outcome in {Outcome.UNKNOWN, Outcome.CONFLICT}
        assert any("lost after" in step for step in script)


@settings(max_examples=600)
@given(st.sampled_from(SUBJECTS), st.lists(st.lists(steps, max_size=4), max_size=4))
def test_replays_that_know_of_a_doubt_do_nothing_twice(subject, scripts):
    tenant, before = a_tenant(subject), None
    for script in scripts:
        result, before = carried_out(subject, tenant, script, before)
        assert tenant.applied <= 1
        if result.outcome in SETTLED:
            break
        if result.outcome is not Outcome.UNKNOWN and tenant.applied:
            break  # what others did to it since is no doubt of ours any more: a replay is a new wish


@given(st.sampled_from(SUBJECTS))
def test_where_nothing_goes_wrong_it_is_done_at_once(subject):
    tenant = a_tenant(subject)
    assert carried_out(subject, tenant, [])[0] == Result(Outcome.DONE)
    assert tenant.applied == 1


@given(st.sampled_from([Kind.UPDATE, Kind.DELETE]), st.lists(st.just(("lost before", "nothing")), max_size=4))
def test_what_never_arrived_is_sent_again(kind, script):
    assert carried_out(Subject(kind), a_tenant(Subject(kind)), script)[0].outcome is Outcome.DONE


def test_a_record_without_an_etag_is_not_written():
    for kind in (Kind.UPDATE, Kind.DELETE, Kind.ACTION):
        found = decide(Subject(kind), View().looked(Record({}, None)))
        assert found.outcome is Outcome.REFUSED


def test_a_record_that_was_deleted_meanwhile_is_a_conflict():
    for kind in (Kind.UPDATE, Kind.ACTION):
        view = View().looked(Record({}, "W/1")).sent(Answer(Meaning.GONE)).looked(None)
        assert decide(Subject(kind), view).outcome is Outcome.CONFLICT


@pytest.mark.parametrize(
    ("status", "code", "message", "meaning"),
    [
        (200, None, None, Meaning.DOUBT),
        (302, None, None, Meaning.DOUBT),
        (400, "DATABASE_ERROR", "ORA-20111: X.FND_RECORD_NOT_EXIST", Meaning.REFUSED),
        (400, "DATABASE_ERROR", "ORA-20114: X.FND_LOCKED: locked", Meaning.LOCKED),
        (400, "ODP_DESERIALIZATION_ERROR", "Error", Meaning.FORM),
        (400, None, None, Meaning.REFUSED),
        (401, None, None, Meaning.STOP),
        (403, "SE_UNAUTHORIZED", "No", Meaning.REFUSED),
        (404, "ODP_RESOURCE_NOTFOUND", "No", Meaning.GONE),
        (405, None, None, Meaning.REFUSED),
        (409, None, None, Meaning.REFUSED),
        (412, None, None, Meaning.STALE),
        (423, None, None, Meaning.LOCKED),
        (428, "ODP_MISSING_PRECONDITION", None, Meaning.REFUSED),
        (429, None, None, Meaning.STOP),
        (500, "MI_MODIFIED_ERROR", "Again", Meaning.AGAIN),
        (500, "DATABASE_ERROR", "ORA-1", Meaning.REFUSED),
        (500, None, None, Meaning.DOUBT),
        (501, "ODP_NOT_IMPLEMENTED", None, Meaning.REFUSED),
        (502, None, None, Meaning.DOUBT),
        (503, None, None, Meaning.DOUBT),
        (504, "ODP_OPERATION_TIMEOUT", None, Meaning.DOUBT),
    ],
)
def test_each_answer_says_whether_it_happened(status, code, message, meaning):
    body = b'{"error":{"code":"%b","message":"%b"}}' % ((code or "").encode(), (message or "").encode())
    answer = answer_of(Response(status, case_insensitive({}), b"<html>" if status == 200 else body), "set x")
    assert answer.meaning is meaning
    assert answer.said.startswith("set x: ")


def test_a_success_is_json_or_nothing():
    for body in (b"", b" \n", b'{"OrderNo":"1"}'):
        assert answer_of(Response(200, {}, body), "x").meaning is Meaning.DONE
    for body in (b"[1]", b'{"OrderNo":', b"\xff"):
        assert answer_of(Response(201, {}, body), "x").meaning is Meaning.DOUBT


def test_a_503_that_says_when_to_come_again_has_done_nothing():
    answer = answer_of(Response(503, case_insensitive({"Retry-After": "900"}), b""), "x")
    assert answer.meaning is Meaning.STOP
