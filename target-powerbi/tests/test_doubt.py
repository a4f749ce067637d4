"""A POST whose answer is lost: Power BI is asked whether its rows are there, before anything else goes to the table."""

from __future__ import annotations

from collections import Counter

import pytest
from ifs_bi_core.errors import ExitCode, OutcomeUnknownError
from target_powerbi.doubt import Finding, finding_of

LOST_BEFORE = {"kind": "reset", "method": "POST", "path": "*/rows"}
LOST_AFTER = LOST_BEFORE | {"after": True}
ERROR_BEFORE = {"kind": "status", "status": 500, "method": "POST", "path": "*/rows"}
ERROR_AFTER = ERROR_BEFORE | {"after": True}
LOST = [LOST_BEFORE, LOST_AFTER, ERROR_BEFORE, ERROR_AFTER]


class Killed(BaseException):
    """The end of a process, wherever it was."""


def shown(pipe) -> Counter[str]:
    return Counter(row["OrderNo"] for row in pipe.rows())


def orders(pipe, *numbers: int) -> list[dict]:
    return [pipe.schema(), *(pipe.order(number, number) for number in numbers), pipe.state(numbers[-1])]


def posts(pipe) -> int:
    return len(pipe.calls("POST", "/rows"))


def deaf(pipe, numbers: str = "off") -> None:
    """Power BI answers no queries, and knows sequence numbers or not."""
    pipe.world.switches.powerbi_queries = "refuse"
    pipe.world.switches.powerbi_sequence_numbers = numbers


@pytest.fixture(params=["mirror", "append", "signed"])
def everywhere(request, pipe):
    """A table with two rows, in each way of writing."""
    pipe.config["write_mode"] = request.param
    pipe.feed(*orders(pipe, 1, 2))
    return pipe


def test_a_count_is_all_none_or_no_answer():
    assert [finding_of(count, 3) for count in (3, 0, 1, 4, None)] == [
        Finding.THERE,
        Finding.ABSENT,
        Finding.UNKNOWN,
        Finding.UNKNOWN,
        Finding.UNKNOWN,
    ]


@pytest.mark.parametrize("fault", LOST)
def test_rows_that_are_there_are_not_sent_again_and_those_that_are_not_are(everywhere, fault):
    everywhere.fault(**fault)
    everywhere.feed(*orders(everywhere, 3, 4))
    assert shown(everywhere) == Counter("1234")
    assert not everywhere.calls("DELETE")
    assert posts(everywhere) == (1 if fault.get("after") else 2)
    assert everywhere.out == '{"bookmark":4}\n'


def test_rows_that_are_sent_again_carry_the_name_of_the_first_time(everywhere):
    everywhere.fault(**LOST_BEFORE)
    everywhere.feed(*orders(everywhere, 3))
    names = everywhere.dataset().tables["orders"]
    place = list(names.columns).index("_ifs_batch")
    assert len({row[place] for row in names.rows}) == 2
    assert all(len(row[place]) <= 40 for row in names.rows)


def test_rows_that_take_a_while_to_show_are_waited_for(everywhere):
    everywhere.world.now = everywhere.time.clock
    everywhere.world.switches.powerbi_visible_after = 10
    everywhere.fault(**LOST_AFTER)
    everywhere.feed(*orders(everywhere, 3))
    assert posts(everywhere) == 1
    assert 10 <= sum(everywhere.time.waits) <= 20
    assert shown(everywhere) == Counter("123")


def test_rows_that_show_after_they_were_thought_lost_are_found_twice_by_the_next_run_and_put_right(pipe, caplog):
    pipe.feed(*orders(pipe, 1, 2))
    pipe.world.now = pipe.time.clock
    pipe.world.switches.powerbi_visible_after = 100
    pipe.fault(**LOST_AFTER)
    pipe.feed(*orders(pipe, 3, 4))
    assert shown(pipe) == Counter("123434")
    pipe.time.sleep(100)
    pipe.world.switches.powerbi_visible_after = 0
    pipe.feed(pipe.schema())
    assert "orders: a request that was thought lost came late, and table 'orders' shows 2 rows twice." in caplog.text
    assert shown(pipe) == Counter("1234")
    caplog.clear()
    pipe.feed(pipe.schema())  # counts once more
    pipe.feed(pipe.schema())
    assert "came late" not in caplog.text
    assert not pipe.calls("POST", "executeQueries")


def test_rows_that_come_late_are_found_at_the_end_of_the_same_run_too(pipe):
    pipe.feed(*orders(pipe, 1, 2), *(pipe.schema("lines"), pipe.record({"OrderNo": "1"}, "lines")))
    pipe.world.now = pipe.time.clock
    pipe.world.switches.powerbi_visible_after = 40
    pipe.fault(**LOST_AFTER | {"path": "*/orders/rows"})
    pipe.fault("status", status=429, retry_after=60, method="POST", path="*/lines/rows")
    pipe.feed(*orders(pipe, 3), pipe.schema("lines"), pipe.record({"OrderNo": "2"}, "lines"))
    assert shown(pipe) == Counter("123")


def test_what_never_arrives_ends_the_run_and_comes_with_the_next(everywhere):
    everywhere.fault(**LOST_BEFORE, times=3)
    with pytest.raises(
        Exception, match=r"left 3 requests without an answer, and none of the rows is there\. Run again later"
    ):
        everywhere.feed(*orders(everywhere, 3))
    assert not everywhere.world.faults
    assert everywhere.out == ""
    everywhere.feed(*orders(everywhere, 3))
    assert shown(everywhere) == Counter("123")


@pytest.mark.parametrize("fault", LOST)
def test_a_process_that_is_killed_before_it_knows_leaves_the_name_to_the_next_one(everywhere, fault):
    sleep = everywhere.time.sleep

    def killed(_: float) -> None:
        raise Killed

    everywhere.world.now = everywhere.time.clock
    everywhere.world.switches.powerbi_visible_after = 1
    everywhere.time.sleep = killed
    everywhere.fault(**fault)
    with pytest.raises(Killed):
        everywhere.feed(*orders(everywhere, 3, 4))
    everywhere.time.sleep = sleep
    everywhere.feed(*orders(everywhere, 3, 4))
    assert shown(everywhere) == Counter("1234")
    assert everywhere.out == '{"bookmark":4}\n'


def test_a_killed_process_costs_no_rewrite_where_power_bi_answers(pipe):
    pipe.feed(*orders(pipe, 1, 2))

    def killed(_: float) -> None:
        raise Killed

    sleep, pipe.time.sleep = pipe.time.sleep, killed
    pipe.fault(**LOST_BEFORE)
    with pytest.raises(Killed):
        pipe.feed(*orders(pipe, 3, 4))
    pipe.time.sleep = sleep
    pipe.feed(*orders(pipe, 3, 4))
    assert not pipe.calls("DELETE")
    assert shown(pipe) == Counter("1234")


@pytest.mark.parametrize("fault", LOST)
def test_sequence_numbers_tell_where_no_query_does(everywhere, fault):
    deaf(everywhere, numbers="on")
    everywhere.config |= {"dataset_name": "Another", "state_dir": everywhere.config["state_dir"] + "-2"}
    everywhere.world.powerbi.clear()
    everywhere.feed(*orders(everywhere, 1, 2), batch_size_rows=2)  # is told that queries are refused
    everywhere.feed(*orders(everywhere, 3), batch_size_rows=2)  # finds that numbers move
    everywhere.fault(**fault)
    everywhere.feed(*orders(everywhere, 4))
    assert shown(everywhere) == Counter("1234")
    assert not everywhere.calls("DELETE")
    assert posts(everywhere) == (1 if fault.get("after") else 2)


def test_that_queries_are_refused_is_told_once_with_the_way_out(pipe, caplog):
    deaf(pipe)
    pipe.feed(*orders(pipe, 1))
    pipe.feed(*orders(pipe, 2))
    assert caplog.text.count("An administrator switches 'Dataset Execute Queries REST API' on") == 1


@pytest.mark.parametrize("fault", [LOST_BEFORE, LOST_AFTER])
@pytest.mark.parametrize("mode", ["append", "signed"])
def test_where_nobody_can_tell_the_run_stops_and_says_how_to_go_on(pipe, mode, fault):
    pipe.config["write_mode"] = mode
    deaf(pipe)
    pipe.feed(*orders(pipe, 1, 2))
    pipe.fault(**fault)
    with pytest.raises(
        OutcomeUnknownError, match=r"Power BI can't be asked whether they are there\. Run again, which asks once more"
    ):
        pipe.feed(*orders(pipe, 3))
    assert pipe.out == ""
    assert posts(pipe) == 1
    assert pipe.pushes()[-1].rows in [{"pushing": 1}, {"unknown": 1}]
    with pytest.raises(OutcomeUnknownError, match="on_unknown: rewrite"):
        pipe.feed(*orders(pipe, 3))
    assert posts(pipe) == 0
    pipe.feed(*orders(pipe, 3), on_unknown="rewrite")
    assert shown(pipe) == Counter("123")
    assert pipe.out == '{"bookmark":3}\n'


def test_a_stopped_run_goes_on_by_itself_when_power_bi_answers_again(everywhere):
    deaf(everywhere)
    everywhere.fault(**LOST_AFTER)
    with pytest.raises(OutcomeUnknownError):
        everywhere.feed(*orders(everywhere, 3), on_unknown="stop")
    everywhere.world.switches.powerbi_queries = "answer"
    everywhere.feed(*orders(everywhere, 3))
    assert shown(everywhere) == Counter("123")


def test_accepted_rows_count_as_delivered_with_a_warning_and_the_ledger_does_not_claim_to_know(everywhere, caplog):
    deaf(everywhere)
    everywhere.fault(**LOST_AFTER)
    everywhere.feed(*orders(everywhere, 3), on_unknown="accept")
    assert everywhere.code == ExitCode.DONE
    assert everywhere.out == '{"bookmark":3}\n'
    assert "orders: they count as delivered, as on_unknown says; nobody knows whether they are." in caplog.text
    assert everywhere.pushes()[-1].rows == {"unknown": 1}
    everywhere.feed(*orders(everywhere, 4))
    assert everywhere.pushes()[-2].rows == {"unknown": 1}
    assert shown(everywhere) == Counter("1234")


def test_where_power_bi_can_not_be_asked_now_the_next_run_asks_before_anything_else(everywhere):
    everywhere.fault(**LOST_AFTER)
    everywhere.fault("status", status=503, method="POST", path="*/executeQueries", times=None)
    with pytest.raises(
        OutcomeUnknownError, match=r"now Power BI can't be asked whether they are there.*The next run asks before"
    ):
        everywhere.feed(*orders(everywhere, 3))
    everywhere.world.faults.clear()
    everywhere.feed(*orders(everywhere, 3))
    assert everywhere.calls("POST")[0].endswith("/executeQueries")
    # Rows without a key come again, and nobody could tell them from those that are there.
    assert len(everywhere.calls("DELETE")) == (everywhere.config["write_mode"] == "append")
    assert shown(everywhere) == Counter("123")


def test_a_good_run_ends_well_although_its_names_can_not_be_counted_once_more(pipe):
    pipe.feed(*orders(pipe, 1, 2))
    pipe.fault(**LOST_AFTER)
    pipe.fault("status", status=503, method="POST", path="*/executeQueries", skip=1, times=None)
    assert pipe.feed(*orders(pipe, 3)) == '{"bookmark":3}\n'
    pipe.world.faults.clear()
    pipe.feed(pipe.schema())
    assert len(pipe.calls("POST", "/executeQueries")) == 1
