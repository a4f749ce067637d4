"""A run that finds nothing new asks one question a stream; whoever stops asking that early loses nothing by it."""

from __future__ import annotations

from collections import Counter
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_sandbox.data.changes import a_day_of_business
from ifs_bi_sandbox.servers import Sandbox
from pipeline.pulling import Pulling
from tap_ifs_cloud.key_store import KeyStore

ALL = [("10", number) for number in range(20)]
WAYS = pytest.mark.parametrize("modified", [None, "Changed"])
STREAMS = ["customers", "suppliers", "sites", "purchase_orders", "purchase_order_lines", "customer_orders"]
STREAMS += ["customer_order_lines", "supplier_invoices", "gl_voucher_rows"]


@pytest.fixture
def pulling(tmp_path):
    with Sandbox(scale=400, seed=5) as box:
        yield Pulling(box, tmp_path, streams=STREAMS)


def asked(pulling: Pulling) -> Counter[str]:
    """How often the last pull asked for what, by the last part of the path."""
    return Counter(request["path"].rpartition("/")[2] for request in pulling.box.world.requests)


def test_a_second_run_of_nine_streams_asks_for_a_token_and_one_page_of_each(pulling):
    pulling.pull()
    pulling.box.world.requests.clear()
    assert not any(message["type"] == "RECORD" for message in pulling.pull())
    assert len(asked(pulling)) == 1 + len(STREAMS)
    assert set(asked(pulling).values()) == {1}


def test_after_a_day_of_business_changes_cost_questions_and_then_there_is_one_a_stream_again(pulling):
    pulling.pull()
    a_day_of_business(pulling.box.world.database, 1)
    assert any(message["type"] == "RECORD" for message in pulling.pull())
    pulling.pull()  # rows of the last second that was seen are asked for once more
    pulling.box.world.requests.clear()
    pulling.pull()
    assert asked(pulling).total() == 1 + len(STREAMS)


def settled(rig, *, longest: int = 21):
    """After a run that read all rows, of a system that gave a page of so many rows for another set."""
    rig.settings |= {"page_size": 100, "delete_scan_hours": 24}
    rig.tenant.put(*ALL)
    rig.tenant.seconds += 100
    rig.run()
    with closing(KeyStore(rig.store)) as store:
        store.saw_page(longest)
    rig.tenant.seconds += 100
    rig.run()  # rows of the last second that was seen are asked for once more
    rig.tenant.seconds += 100
    return rig


@WAYS
def test_nothing_new_is_one_question(rig, modified):
    rig = settled(rig(modified=modified))
    rig.run()
    assert (rig.moved, len(rig.tenant.requests)) == ({}, 1)


@WAYS
def test_a_page_as_long_as_the_longest_one_may_be_cut(rig, modified):
    rig = settled(rig(modified=modified), longest=20)
    rig.run()
    assert (rig.moved, len(rig.tenant.requests)) == ({}, 2)


@WAYS
def test_a_page_with_a_new_row_is_not_taken_for_all_there_is(rig, modified):
    rig = settled(rig(modified=modified))
    rig.tenant.put(("10", 99))
    with closing(KeyStore(rig.store)) as store:
        store.saw_page(50)
    rig.run()
    assert rig.moved == {"row": 1}
    assert any(" gt " in options.get("$filter", "") for options in rig.tenant.requests)


@WAYS
def test_a_system_that_cuts_shorter_pages_than_before_loses_nothing_and_deletes_nothing(rig, modified):
    """Even where the last known row is the last one of its page but for a few."""
    rig = settled(rig(modified=modified))
    rig.tenant.switches.paging, rig.tenant.switches.page_cap = "silent_cap", 15
    rig.tenant.put(("10", 98), ("10", 99))
    rig.run()
    assert rig.moved == {"row": 2}
    assert rig.is_equal()


def test_a_look_at_the_keys_that_finds_them_all_is_one_question_too(rig):
    rig = settled(rig(modified="Changed"))
    rig.tenant.seconds += 24 * 3600
    rig.run()
    assert [options.get("$select") for options in rig.tenant.requests] == [None, "Company,No"]


def test_a_row_that_is_gone_is_looked_for_behind_the_last_one_before_it_is_told(rig):
    rig = settled(rig())
    rig.tenant.remove(ALL[19])
    rig.run()
    assert (rig.moved, len(rig.tenant.requests)) == ({"gone": 1}, 2)


def test_the_longest_page_is_what_the_store_remembers(tmp_path):
    for rows, longest in ((7, 7), (5, 7), (9, 9)):
        with closing(KeyStore(tmp_path / "delivered.db")) as store:
            store.saw_page(rows)
        with closing(KeyStore(tmp_path / "delivered.db")) as store:
            assert store.longest_page() == longest


def test_a_store_from_before_pages_were_remembered_is_taken_as_it_is(tmp_path):
    file = tmp_path / "delivered.db"
    with closing(KeyStore(file)) as store, store.writing() as connection:
        connection.execute("DROP TABLE pages")
    with closing(KeyStore(file)) as store:
        assert store.longest_page() == 0


NUMBERS = st.integers(0, 12)
CHANGES = st.lists(st.tuples(st.sampled_from(["put", "put", "remove"]), NUMBERS), max_size=4)


@pytest.mark.parametrize("links", [False, True])
@WAYS
@settings(max_examples=15, deadline=None)
@given(
    cap=st.integers(2, 12),
    page_size=st.integers(2, 15),
    longest=st.integers(0, 12),
    runs=st.lists(CHANGES, min_size=1, max_size=6),
)
def test_every_run_leaves_what_the_source_has_however_it_cuts_pages(
    new_rig, modified, links, cap, page_size, longest, runs
):
    with closing(new_rig(modified=modified)) as rig:
        rig.settings["page_size"] = page_size
        rig.tenant.switches.paging = "next_absolute" if links else "silent_cap"
        rig.tenant.switches.page_cap = cap
        rig.tenant.put(*ALL[:8])
        for place, changes in enumerate(runs):
            rig.tenant.seconds += 50
            for action, number in changes:
                getattr(rig.tenant, action)(("10", number))
            rig.tenant.seconds += 1
            rig.run()
            if rig.tenant.rows():
                assert rig.is_equal()
            if not place:
                with closing(KeyStore(rig.store)) as store:
                    store.saw_page(min(longest, cap))
