"""`signed` under faults and kills: the sums are right at every moment, and in the end they are the source."""

from __future__ import annotations

import contextlib
import time
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import IfsBiError
from left_to_prove import every

KINDS = {
    "vanish before": {"kind": "reset"},
    "vanish after": {"kind": "reset", "after": True},
    "500 before": {"kind": "status", "status": 500},
    "500 after": {"kind": "status", "status": 500, "after": True},
    "400": {"kind": "status", "status": 400, "code": "BadRequest"},
    "403": {"kind": "status", "status": 403},
    "429": {"kind": "status", "status": 429, "retry_after": 30},
    "429 for too long": {"kind": "status", "status": 429, "retry_after": 3600},
    "half an answer": {"kind": "truncate"},
    "token death": {"kind": "revoke_tokens"},
}
ROWS = {"method": "POST", "path": "*/rows"}
NO_QUERIES = {"kind": "status", "status": 403, "method": "POST", "path": "*/executeQueries", "times": None}
SOURCE = {"1": 10, "2": 2, "4": 4, "5": 5}
EARLIER = {"1": 1, "2": 2, "3": 3, "4": 4, "9": 9}


class Killed(BaseException):
    """The end of a process, wherever it is."""


class Deadline:
    """Time that ends the process when it was looked at so often."""

    def __init__(self, looks: int) -> None:
        self.waits: list[float] = []
        self._left = looks

    def clock(self) -> float:
        self._left -= 1
        if self._left == 0:
            raise Killed
        return time.time() + sum(self.waits)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture
def signing(pipe):
    pipe.config |= {"write_mode": "signed", "on_row_error": "fail"}
    return pipe


def begun(pipe) -> None:
    """A table with some rows."""
    pipe.feed(pipe.schema(), *(pipe.order(key, amount) for key, amount in EARLIER.items()), pipe.state("old"))


def changes(pipe) -> list[dict]:
    """A refresh that brings an update, a deletion and a new row in several POSTs, and order 9 no more."""
    news = [pipe.order(1, 10), pipe.order(2, 2), pipe.gone(3), pipe.order(4, 4), pipe.order(5, 5)]
    return [pipe.schema(), *(line | {"version": 7} for line in news), pipe.activate(7), pipe.state("new")]


def ends_well(pipe, **how) -> bool:
    """Whether a run ends with its state, or with an error and none; at every moment each key had its old or its new amount."""
    try:
        pipe.feed(*changes(pipe), batch_size_rows=2, **how)
    except (IfsBiError, Killed):
        assert pipe.out == ""
        return False
    finally:
        if not pipe.calls("DELETE"):
            possible = {*EARLIER.items(), *SOURCE.items()}
            for moment in pipe.moments():
                assert moment.items() <= possible
            assert pipe.counting().keys() >= {"1", "2", "4"}
    assert pipe.out == '{"bookmark":"new"}\n'
    assert pipe.counting() == SOURCE
    return True


@pytest.mark.parametrize(("kind", "skip"), every(3, KINDS, range(4)))
def test_after_any_fault_the_sums_are_the_source_at_the_latest_after_the_next_run(signing, kind, skip):
    begun(signing)
    signing.fault(skip=skip, **KINDS[kind], **ROWS)
    ends_well(signing)
    assert not signing.world.faults, "what was scripted did not happen"
    assert ends_well(signing)
    assert not signing.calls("DELETE")


@pytest.mark.parametrize(
    ("kind", "skip"), every(3, ["vanish before", "vanish after", "500 before", "500 after"], range(4))
)
def test_where_power_bi_can_not_be_asked_the_run_stops_and_whoever_runs_it_decides(signing, kind, skip):
    begun(signing)
    signing.fault(**NO_QUERIES)
    signing.fault(skip=skip, **KINDS[kind], **ROWS)
    assert not ends_well(signing)
    assert not ends_well(signing), "nothing newer of the table moves before it is known"
    assert not signing.calls("POST", "/rows")
    assert ends_well(signing, on_unknown="rewrite")
    signing.world.faults.clear()
    assert ends_well(signing)
    assert not signing.calls("POST", "/rows")


def test_rows_whose_answer_was_lost_may_be_taken_for_delivered(signing):
    begun(signing)
    signing.fault(**NO_QUERIES)
    signing.fault("reset", after=True, **ROWS)
    assert ends_well(signing, on_unknown="accept")
    assert [push.rows for push in signing.pushes()].count({"unknown": 2}) == 1


@pytest.mark.parametrize("looks", range(1, 60, 3))
def test_a_run_that_is_killed_anywhere_is_gone_on_with(signing, looks):
    begun(signing)
    usual, signing.time = signing.time, Deadline(looks)
    ends_well(signing)
    signing.time = usual
    assert ends_well(signing)
    assert not signing.calls("DELETE")
    assert {state for push in signing.pushes() for state in push.rows} <= {"acknowledged", "withdrawn"}


def test_a_first_run_that_is_killed_anywhere_is_gone_on_with(signing):
    usual = signing.time
    for looks in range(1, 60, 4):
        signing.config["dataset_name"] = f"Purchasing {looks}"
        signing.world.powerbi.clear()
        signing.time = Deadline(looks)
        with contextlib.suppress(Killed):
            begun(signing)
        signing.time = usual
        begun(signing)
        assert signing.counting() == EARLIER


STEP = st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 2))  # key, and its amount or that it is gone
RUNS = st.lists(
    st.tuples(
        st.lists(STEP, max_size=6),
        st.booleans(),  # whether the run brings all rows, and says so
        st.none() | st.tuples(st.sampled_from(list(KINDS)), st.integers(0, 3)) | st.integers(1, 60),  # fault, or kill
    ),
    min_size=1,
    max_size=4,
)
NAMES = count()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RUNS, st.integers(1, 3))
def test_after_every_run_the_sums_are_the_source_and_the_same_rows_again_are_none(signing, runs, batch_size):
    usual = signing.time
    signing.world.powerbi.clear()
    signing.config |= {"dataset_name": f"Purchasing {next(NAMES)}", "batch_size_rows": batch_size}
    source: dict[str, int] = {}
    possible: set[tuple[str, int]] = set()
    for version, (steps, complete, trouble) in enumerate(runs):
        for key, amount in steps:
            source.pop(key, None)
            if amount is not None:
                source[key] = amount
                possible.add((key, amount))
        said = [signing.gone(key) if amount is None else signing.order(key, amount) for key, amount in steps]
        if complete:
            rest = [signing.order(key, amount) for key, amount in source.items() if key not in dict(steps)]
            said = [line | {"version": version} for line in (*rest, *said)] + [signing.activate(version)]
        if isinstance(trouble, tuple):
            signing.fault(skip=trouble[1], **KINDS[trouble[0]], **ROWS)
        elif trouble:
            signing.time = Deadline(trouble)
        with contextlib.suppress(IfsBiError, Killed):
            signing.feed(signing.schema(), *said)
        signing.time = usual
        signing.world.faults.clear()
        signing.feed(signing.schema(), *said)
        assert signing.counting() == source
        assert all(moment.items() <= possible for moment in signing.moments())
    signing.feed(signing.schema(), *(signing.order(key, amount) for key, amount in source.items()))
    assert not signing.calls("POST", "/rows")
