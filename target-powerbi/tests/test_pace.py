"""Every POST of rows waits for its turn, in this run and after earlier ones."""

from __future__ import annotations

import logging
import re

import pytest
from ifs_bi_core.errors import ConfigError, ContractBrokenError
from target_powerbi.kept import Status
from target_powerbi.limits import HOUR, Limits, Load
from target_powerbi.pace import Pace

FEW = Limits(posts_per_minute=3, rows_per_hour=100, posts_per_hour_when_large=5)


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


class Remembered:
    """Sendings that outlive a run."""

    def __init__(self) -> None:
        self.posts: list[tuple[float, int]] = []

    def sendings(self, since: float) -> list[tuple[float, int]]:
        return [post for post in self.posts if post[0] >= since]

    def sent(self, moment: float, rows: int) -> None:
        self.posts.append((moment, rows))


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def remembered() -> Remembered:
    return Remembered()


def pace(time: Time, remembered: Remembered) -> Pace:
    return Pace(remembered, clock=time.clock, sleep=time.sleep, limits=FEW)


def send(pace: Pace, rows: int, *, stored: bool = True) -> None:
    turn = pace.turn(Load(rows))
    turn.acquire()
    turn.end(stored=stored)


def test_what_an_earlier_run_sent_in_the_last_hour_counts_too(time, remembered):
    send(pace(time, remembered), 90)
    time.now = 1000.0
    send(pace(time, remembered), 10)
    assert time.now == 1000
    send(pace(time, remembered), 1)
    assert HOUR < time.now < HOUR + 1


def test_rows_that_were_refused_do_not_count_but_the_request_does(time, remembered):
    paced = pace(time, remembered)
    for _ in range(3):
        send(paced, 90, stored=False)
    assert time.now == 0
    send(paced, 90)
    assert 60 < time.now < 61


def test_an_attempt_after_another_counts_as_one_more_request_and_its_rows_once(time, remembered):
    paced = pace(time, remembered)
    turn = paced.turn(Load(90))
    turn.acquire()
    turn.acquire()
    turn.end(stored=True)
    send(paced, 10)
    assert time.now == 0
    send(paced, 0)
    assert 60 < time.now < 61


def test_a_request_counts_from_its_answer(time, remembered):
    paced = pace(time, remembered)
    turn = paced.turn(Load(100))
    turn.acquire()
    time.now = 50.0
    turn.end(stored=True)
    send(paced, 1)
    assert HOUR + 50 < time.now < HOUR + 51


def test_a_clock_that_was_set_back_makes_nobody_wait_for_longer_than_the_window(time, remembered):
    remembered.posts = [(1e9, 100)]
    send(pace(time, remembered), 1)
    assert time.now < HOUR + 1


def test_long_waits_are_told_again_and_again(time, remembered, caplog):
    caplog.set_level(logging.INFO)
    paced = pace(time, remembered)
    send(paced, 100)
    send(paced, 1)
    told = [line for line in caplog.messages if "100 rows an hour in one dataset: going on in" in line]
    assert told[0].endswith("60 minutes.")
    assert told[-1].endswith("5 minutes.")
    assert len(told) == 12


def test_a_rewrite_begins_when_all_of_it_fits(time, remembered):
    paced = pace(time, remembered)
    send(paced, 60)
    time.now = 100.0
    paced.wait_until_all_fit([Load(20), Load(20)])
    assert time.now == 100
    paced.wait_until_all_fit([Load(20), Load(21)])
    assert HOUR < time.now < HOUR + 1


def numbered(pipe, count: int, **values) -> list[dict]:
    return [pipe.order(number, 1, **values) for number in range(count)]


def test_the_services_limits_are_never_passed_and_nothing_is_waited_for_in_vain(pipe):
    pipe.world.now = pipe.time.clock
    begun = pipe.time.clock()
    pipe.feed(pipe.schema(), pipe.order("first"))
    pipe.feed(pipe.schema(), *numbered(pipe, 245), batch_size_rows=1)
    posts = [call for call in pipe.world.requests if call["path"].endswith("/rows") and call["method"] == "POST"]
    assert [call["status"] for call in posts] == [200] * 245
    assert 120 <= pipe.time.clock() - begun <= 124 + 15


def test_a_load_that_does_not_fit_says_at_the_start_how_long_it_takes_and_why(pipe, caplog):
    pipe.world.now = pipe.time.clock
    pipe.feed(pipe.schema(), *numbered(pipe, 250), batch_size_rows=1)
    assert (
        "250 rows have to be written, and Power BI takes 120 requests a minute in one dataset: that lasts 2 min from now on."
        in caplog.text
    )


def test_a_run_goes_on_where_the_last_one_left_the_minute(pipe):
    pipe.world.now = pipe.time.clock
    pipe.feed(pipe.schema(), *numbered(pipe, 120), batch_size_rows=1)
    waits = sum(pipe.time.waits)
    pipe.feed(pipe.schema(), pipe.order("one more"))
    assert 40 < sum(pipe.time.waits) - waits < 61
    assert 429 not in [call["status"] for call in pipe.world.requests]


def test_a_table_beyond_what_power_bi_holds_is_refused_before_anything_is_sent(pipe):
    pipe.feed(pipe.schema(), pipe.order(1))
    held(pipe, 5_000_000)
    with pytest.raises(
        ContractBrokenError, match="holds 5,000,000 rows, and 1 more would pass the 5,000,000 that Power BI allows"
    ):
        pipe.feed(pipe.schema(), pipe.order(2))
    assert not pipe.calls("POST", "/rows")


def held(pipe, rows: int) -> None:
    """Let the kept rows say that the table holds so many."""
    target = pipe.target()
    target.run.kept.database.execute("UPDATE tables SET held = ?", (rows,))
    target.close()
    target.account.ledger.close()


def test_a_large_table_slows_every_table_of_the_dataset(pipe):
    pipe.world.now = pipe.time.clock
    pipe.feed(pipe.schema(), pipe.order("first"), pipe.schema("lines"), pipe.record({"OrderNo": "1"}, "lines"))
    held(pipe, 250_000)
    begun = pipe.time.clock()
    pipe.feed(pipe.schema(), *numbered(pipe, 121), batch_size_rows=1)
    assert HOUR <= pipe.time.clock() - begun <= HOUR + 15


def test_a_fifo_dataset_is_made_for_append_alone(pipe):
    with pytest.raises(
        ConfigError, match=r"'retention_policy' is 'basicFIFO'.* Set write_mode: append, or retention_policy: none"
    ):
        pipe.feed(pipe.schema(), retention_policy="basicFIFO")
    pipe.feed(pipe.schema(), pipe.order(1), retention_policy="basicFIFO", write_mode="append")
    assert pipe.dataset().retention == "basicFIFO"


def test_a_rewrite_that_an_hour_does_not_hold_is_not_begun_and_the_way_out_is_told(pipe):
    pipe.world.now = pipe.time.clock
    pipe.feed(pipe.schema(), *numbered(pipe, 122), pipe.schema("lines"), batch_size_rows=1)
    held(pipe, 250_000)
    with pytest.raises(
        ContractBrokenError,
        match=r"all 122 rows of table 'orders' would have to be written anew\. Within Power BI's limits that lasts 1 h 0 min, "
        r"in which people would see a part of them\. Set write_mode: signed",
    ):
        pipe.feed(pipe.schema(), pipe.order(1, 2), pipe.state(1), batch_size_rows=1)
    assert pipe.out == ""
    assert not pipe.calls("DELETE")
    pipe.feed(pipe.schema(), pipe.order(1, 2), batch_size_rows=1, on_unknown="rewrite")
    assert pipe.amounts()["1"] == 2


@pytest.mark.prove
def test_1_200_000_rows_pass_no_limit_and_take_the_least_time_that_the_limits_allow(pipe, caplog):
    caplog.set_level(logging.INFO, "target_powerbi")
    pipe.world.now = pipe.time.clock
    pipe.world.switches.powerbi_expires_in = 100_000
    numbers = pipe.schema("numbers", {"N": {"type": "integer"}}, ("N",))
    pipe.feed(numbers)
    pipe.time.sleep(HOUR)
    target = pipe.target()
    kept = target.run.kept
    kept.database.execute(
        "INSERT INTO kept_rows (table_id, key, sent) WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted "
        "LIMIT 1200000) SELECT (SELECT id FROM tables), printf('[%d]', n), CAST(printf('{\"N\":%d}', n) AS BLOB) FROM counted"
    )
    kept.mark("numbers", Status.REWRITING)
    pipe.world.requests.clear()
    begun = pipe.time.clock()
    target.finish()
    taken = pipe.time.clock() - begun
    target.close()
    target.account.ledger.close()
    posts = [
        call["status"] for call in pipe.world.requests if call["path"].endswith("/rows") and call["method"] == "POST"
    ]
    assert posts == [200] * 120
    assert HOUR <= taken <= 1.03 * HOUR
    assert len(pipe.dataset().tables["numbers"].rows) == 1_200_000
    assert (
        "1,200,000 rows have to be written, and Power BI takes 1,000,000 rows an hour in one dataset: that lasts 1 h 0 min from "
        "now on." in caplog.messages
    )
    assert "numbers: 1,000,000 of 1,200,000 rows are written." in caplog.messages
    told = [re.fullmatch(r".* in one dataset: going on in (\d+) minutes\.", message) for message in caplog.messages]
    waits = [int(found[1]) for found in told if found]
    assert len(waits) > 2
    assert waits == sorted(waits, reverse=True)
