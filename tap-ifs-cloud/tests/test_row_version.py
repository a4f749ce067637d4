"""Changes and deletes are found by the versions of rows, and by nothing else."""

import copy
import shutil
from contextlib import closing, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError
from tap_ifs_cloud.key_filter import FILTER_LENGTH, key_filters
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.reading import DELIVERED

ALL = [(company, number) for company in ("10", "20") for number in range(20)]


def filled(rig, keys=ALL):
    rig.tenant.put(*keys)
    rig.tenant.seconds += 100
    rig.run()
    rig.tenant.seconds += 100
    return rig


def test_the_first_run_brings_everything_in_a_version_of_the_entire_set(rig):
    rig = filled(rig())
    assert rig.moved == {"row": 40, "activated": 1}
    assert rig.is_equal()


def test_nothing_changed_and_no_full_row_moves_nor_is_asked_for(rig):
    rig = filled(rig())
    rig.run()  # the rows of the last second that was seen are asked for once more: they may have changed within it
    assert rig.moved == {}
    state = rig.run()
    assert rig.moved == {}
    assert rig.tenant.full_rows == 0
    rig.run()
    assert rig.states[-1] == state


def test_rows_whose_second_is_long_over_are_not_asked_for_once_more(rig):
    rig = rig()
    rig.tenant.put(*ALL)  # all of them in one second, as a migration leaves them
    rig.tenant.seconds += 2 * 24 * 3600
    rig.run()
    rig.tenant.seconds += 100
    rig.run()
    assert rig.moved == {}
    assert rig.tenant.full_rows == 0


def test_changed_rows_alone_are_fetched_and_gone_ones_are_told_in_the_same_run(rig):
    rig = filled(rig())
    rig.run()
    rig.tenant.put(("10", 3), ("20", 7), ("10", 99))
    rig.tenant.remove(("10", 4), ("20", 0), ("20", 19))
    rig.run()
    assert rig.moved == {"row": 3, "gone": 3}
    assert rig.tenant.full_rows == 3
    assert rig.is_equal()


def test_where_more_than_a_fifth_changed_the_whole_set_is_read_and_the_changes_alone_are_sent(rig):
    rig = filled(rig())
    rig.tenant.put(*ALL[:12])
    rig.tenant.remove(ALL[39])
    rig.run()
    assert rig.moved == {"row": 12, "gone": 1}
    assert not any(
        " eq " in options.get("$filter", "") and " gt " not in options["$filter"] for options in rig.tenant.requests
    )
    assert rig.is_equal()


def test_a_row_that_changes_twice_within_one_second_is_not_overlooked(rig):
    rig = filled(rig())
    rig.tenant.put(("10", 5))
    rig.run()
    rig.tenant.put(("10", 5))  # the same second, so the same ETag
    rig.run()
    assert rig.moved == {"row": 1}
    assert rig.is_equal()
    rig.tenant.seconds += 10
    rig.run()
    assert rig.moved == {}
    rig.run()
    assert rig.tenant.full_rows == 0


def test_a_set_whose_selected_rows_carry_no_etag_is_compared_whole_and_it_is_said(rig):
    rig = filled(rig())
    rig.tenant.switches.etag_with_select = False
    rig.tenant.put(("10", 3))
    rig.tenant.remove(("10", 4))
    rig.run()
    assert rig.moved == {"row": 1, "gone": 1}
    assert any("no ETag in rows of which only the keys" in sentence for sentence in rig.said)
    assert rig.is_equal()


def test_a_set_that_refuses_select_is_compared_whole(rig):
    rig = filled(rig())
    rig.tenant.switches.refuse_select = ["RowSet"]
    for number in (3, 4):
        rig.tenant.put(("10", number))
        rig.tenant.remove(("20", number))
        rig.run()
        assert rig.moved == {"row": 1, "gone": 1}
        assert rig.is_equal()
    assert not any("$select" in options for options in rig.tenant.requests)  # that was learned


def test_a_set_that_refuses_filters_on_keys_is_compared_whole_and_not_scanned_again(rig):
    rig = filled(rig())
    rig.run()
    rig.tenant.refuses_key_filters = True
    rig.settings["paging"] = "skip"
    for number in (3, 4):
        rig.tenant.put(("10", number))
        rig.run()
        assert rig.moved == {"row": 1}
        assert rig.is_equal()
    assert not any("$select" in options for options in rig.tenant.requests)


def test_rows_without_etags_are_read_in_full_unless_versions_are_asked_for(rig):
    rig = rig(select=("Company", "No", "Text", "Changed"))
    rig.tenant.switches.etag_with_select = False
    filled(rig)
    assert rig.states[-1] == {DELIVERED: {"rows": 40}}
    rig.run()
    assert rig.moved == {"row": 40, "activated": 1}


def test_rows_without_etags_are_compared_by_all_they_hold_where_versions_are_asked_for(rig):
    rig = rig(replication="row_version", select=("Company", "No", "Text", "Changed"))
    rig.tenant.switches.etag_with_select = False
    filled(rig)
    assert any("compared by all they hold" in sentence for sentence in rig.said)
    rig.tenant.put(("10", 3))
    rig.tenant.remove(("10", 4))
    rig.run()
    assert rig.moved == {"row": 1, "gone": 1}
    assert rig.is_equal()


def test_another_filter_is_another_question_and_is_answered_in_full(rig):
    rig = filled(rig())
    rig.settings["companies"] = ["10"]
    rig.run()
    assert rig.moved == {"row": 20, "activated": 1}
    assert {company for company, _ in rig.destination.rows} == {"10"}


def test_two_destinations_with_states_of_their_own_do_not_disturb_each_other(rig):
    rig = filled(rig())
    first, second = rig.destination, copy.deepcopy(rig.destination)
    second.rows.clear()
    states = [rig.states[-1]]
    rig.destination = second
    states.append(rig.run({}))
    for number in range(4):
        rig.tenant.seconds += 100
        rig.tenant.put(("10", number))
        rig.tenant.remove(("20", number))
        for place, destination in enumerate((first, second)):
            rig.destination = destination
            states[place] = rig.run(states[place])
            assert "activated" not in rig.moved
            assert rig.moved["row"] == 1
            assert rig.is_equal()


def test_a_full_refresh_that_was_killed_leaves_no_row_that_the_older_state_never_hears_of(rig):
    rig = filled(rig())
    state = rig.states[-1]
    rig.tenant.put(("00", 1))
    rig.run({}, kill_after=5)  # the new row arrived, in a run that never ended
    assert ("00", 1) in rig.destination.rows
    rig.tenant.remove(("00", 1))
    rig.run(state)
    assert rig.moved == {"gone": 1}
    assert rig.is_equal()


def test_two_runs_from_one_state_at_once_are_refused_with_a_sentence(rig):
    rig = filled(rig())
    rig.tenant.put(*ALL)
    held = rig.records(rig.reading(copy.deepcopy(rig.states[-1])))
    next(held)
    with closing(held), pytest.raises(Exception, match="rows is being read by another run"):
        rig.run()


NUMBERS = st.integers(1, 11)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["put", "remove"]), NUMBERS, st.integers(1, 6), st.integers(0, 2)),
        st.tuples(st.just("run"), st.one_of(st.none(), st.integers(1, 25))),
        st.tuples(st.just("change_while_running"), NUMBERS, st.integers(0, 6)),
        st.tuples(st.just("restore_state"), st.integers(0, 40)),
        st.tuples(st.sampled_from(["lose_state", "lose_store", "back_up_store", "restore_store"])),
    ),
    max_size=14,
)


class Story:
    """What happens to a source and to what the tap remembers; each method is a step."""

    def __init__(self, rig) -> None:
        self.rig = rig
        self.tenant = rig.tenant
        self.backup = rig.folder / "backup"
        self.waiting: list[int] = []
        self.tenant.put(("10", 0))  # an empty set is not believed
        self.tenant.between = self._between

    def play(self, steps) -> None:
        """All steps, then a calm run."""
        for name, *values in steps:
            getattr(self, name)(*values)
        self.waiting.clear()
        self.rig.run()

    def _between(self) -> None:
        if self.waiting:
            key = ("10", self.waiting.pop())
            self.tenant.remove(key) if key[1] % 2 and key in self.tenant.rows() else self.tenant.put(key)

    def put(self, number: int, count: int, seconds: int) -> None:
        self.tenant.put(*(("10", number + place) for place in range(count)))
        self.tenant.seconds += seconds

    def remove(self, number: int, count: int, seconds: int) -> None:
        self.tenant.remove(*(("10", number + place) for place in range(count)))
        self.tenant.seconds += seconds

    def run(self, kill_after: int | None) -> None:
        with suppress(ContractBrokenError):  # counting rows of a set that changes may meet a page twice, and stops
            self.rig.run(kill_after=kill_after)

    def change_while_running(self, number: int, count: int) -> None:
        self.waiting[:] = range(number, number + count)

    def restore_state(self, which: int) -> None:
        self.rig.states.append(self.rig.states[which % len(self.rig.states)])

    def lose_state(self) -> None:
        self.rig.states.append({})

    def lose_store(self) -> None:
        shutil.rmtree(self.rig.store.parent, ignore_errors=True)

    def back_up_store(self) -> None:
        shutil.rmtree(self.backup, ignore_errors=True)
        if self.rig.store.parent.exists():
            shutil.copytree(self.rig.store.parent, self.backup)

    def restore_store(self) -> None:
        """A store as old as the state would hide what was delivered since, and nobody could know: the state stays."""
        if self.backup.exists():
            self.lose_store()
            shutil.copytree(self.backup, self.rig.store.parent)
            self.waiting.clear()
            self.rig.run()
            self.rig.states[:-1] = []


@pytest.mark.parametrize("modified", [None, "Changed"])
@settings(max_examples=80, deadline=None)
@given(
    steps=STEPS,
    page_size=st.integers(2, 6),
    paging=st.sampled_from(["auto", "skip"]),
    requests=st.sampled_from([1, 2, 4]),
    moments=st.sampled_from(["wished", "needed", "needed wished", "wished wished needed"]),
)
def test_what_arrived_equals_the_source_after_any_changes_kills_and_losses(
    new_rig, early_turns, modified, steps, page_size, paging, requests, moments
):
    with closing(new_rig(modified=modified)) as rig:
        rig.settings |= {"page_size": page_size, "paging": paging}
        rig.turns = lambda: early_turns(requests, moments)
        Story(rig).play(steps)
        assert rig.is_equal()


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, switch=st.sampled_from(["etag_with_select", "refuse_select", "key filters", "digests"]))
def test_the_same_holds_for_servers_that_refuse_things(new_rig, steps, switch):
    select = ("Company", "No", "Text", "Changed") if switch == "digests" else ()
    with closing(new_rig(replication="row_version", select=select)) as rig:
        if switch in {"etag_with_select", "digests"}:
            rig.tenant.switches.etag_with_select = False
        elif switch == "refuse_select":
            rig.tenant.switches.refuse_select = ["RowSet"]
        else:
            rig.tenant.refuses_key_filters = True
            rig.settings["paging"] = "skip"
        Story(rig).play(steps)
        assert rig.is_equal()


TEXT = Property("Company", "Edm.String")
NUMBER = Property("No", "Edm.Decimal")


@given(st.lists(st.tuples(st.text(max_size=60), st.integers(0, 10**9)), max_size=80))
def test_filters_by_keys_name_each_key_once_in_order_within_the_length_of_an_address(keys):
    named = [(str(place).encode(), {"Company": text, "No": number}) for place, (text, number) in enumerate(keys)]
    filters = list(key_filters(named, (TEXT, NUMBER)))
    assert [key for some, _ in filters for key in some] == [key for key, _ in named]
    for some, question in filters:
        assert len(question) <= FILTER_LENGTH or len(some) == 1
        assert all(f"No eq {named[int(key)][1]['No']})" in question for key in some)


def test_a_key_of_one_part_needs_no_parentheses():
    ((_, question),) = key_filters([(b"1", {"Company": "O'Neill"}), (b"2", {"Company": "x"})], (TEXT,))
    assert question == "Company eq 'O''Neill' or Company eq 'x'"
