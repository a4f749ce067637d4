"""Machines that share a ledger in PostgreSQL keep one rate limit together."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
from ifs_bi_core.http.limits import CountedWindow
from ifs_bi_core.http.shared_limits import SharedWindow
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.shared_calls import CALLS
from ifs_bi_core.singer.request_limits import request_limit
from sqlalchemy import select, update


@pytest.fixture
def machines(postgres_url, tmp_path):
    """Ledgers of three machines, each with a folder of its own."""
    with ExitStack() as stack:
        yield [stack.enter_context(closing(Ledger.open(postgres_url, tmp_path / name))) for name in "abc"]


def begun(machine, service="ifs"):
    with machine.database.read() as connection:
        query = select(CALLS.c.at).where(CALLS.c.service == service).order_by(CALLS.c.at)
        return list(connection.execute(query).scalars())


def age(machine, seconds):
    """Let time pass for the calls that were counted."""
    with machine.database.write() as connection:
        connection.execute(update(CALLS).values(at=CALLS.c.at - seconds))


def test_all_machines_together_begin_so_many_calls_in_a_window_and_then_wait(machines):
    calls = [machine.shared_calls("ifs") for machine in machines]
    told = [calls[number % 3].begin(5, 60) for number in range(7)]
    assert told[:5] == [None] * 5
    assert all(0 < wait <= 60 for wait in told[5:])
    assert len(begun(machines[0])) == 5
    age(machines[0], 30)
    assert 0 < calls[1].begin(5, 60) <= 30
    age(machines[0], 30.5)
    assert calls[2].begin(5, 60) is None


def test_who_has_a_lower_limit_counts_the_calls_of_the_others(machines):
    few, many = machines[0].shared_calls("ifs"), machines[1].shared_calls("ifs")
    assert [many.begin(10, 60) for _ in range(4)] == [None] * 4
    assert few.begin(4, 60) > 0
    assert many.begin(10, 60) is None


def test_other_services_have_limits_of_their_own(machines):
    assert machines[0].shared_calls("ifs").begin(1, 60) is None
    assert machines[1].shared_calls("ifs").begin(1, 60) > 0
    assert machines[1].shared_calls("looker").begin(1, 60) is None


def test_of_calls_that_come_at_the_same_moment_no_more_begin_than_may(machines):
    calls = [machine.shared_calls("ifs") for machine in machines]
    with ThreadPoolExecutor(9) as threads:
        told = list(threads.map(lambda number: calls[number % 3].begin(12, 60) is None, range(60)))
    assert Counter(told) == {True: 12, False: 48}


def test_a_moment_in_the_future_is_taken_as_now(machines):
    calls = machines[0].shared_calls("ifs")
    calls.begin(1, 60)
    age(machines[0], -1_000_000)  # the server's clock was set back since
    assert 59 < calls.begin(1, 60) <= 60


def test_calls_that_no_window_reaches_any_more_are_forgotten(machines):
    machines[0].shared_calls("ifs").begin(1, 60)
    age(machines[0], 3600)
    assert machines[1].shared_calls("ifs").begin(1, 60) is None
    assert len(begun(machines[0])) == 1


def test_whoever_waits_begins_when_the_window_lets_him(machines):
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        age(machines[0], seconds + 0.001)

    limits = [CountedWindow(machine.shared_calls("ifs").begin, 2, 60, sleep=sleep) for machine in machines[:2]]
    for number in range(6):
        limits[number % 2].acquire()
    moments = begun(machines[0])
    assert len(moments) == 6
    assert all(later - earlier > 60 for earlier, later in zip(moments, moments[2:], strict=False))
    assert all(59 < seconds <= 60 for seconds in waited)


def test_a_ledger_in_a_file_counts_in_the_files_of_its_machine(tmp_path):
    with closing(Ledger.open(None, tmp_path)) as ledger:
        assert isinstance(request_limit(ledger, "ifs-cloud", "https://erp", 5), SharedWindow)
    assert [path.suffix for path in (tmp_path / "limits").iterdir()] == [".times"]


def test_an_address_is_the_same_however_it_is_written(machines):
    first = request_limit(machines[0], "ifs-cloud", "https://ERP/", 5)
    second = request_limit(machines[1], "ifs-cloud", "https://erp", 5)
    first.acquire()
    second.acquire()
    assert len(begun(machines[2], "ifs-cloud https://erp")) == 2
