"""What is asked for next, page by page, and where a walk ends. The laws over whole sets are in ``test_paging_laws``."""

import pytest
from ifs_bi_core.errors import ContractBrokenError
from tap_ifs_cloud.learned import Learned
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.paging import SMALLEST_PAGE, Ask, Walk

KEY = Property("k", "Edm.Decimal")
TEXT = Property("k", "Edm.String")


def rows(*keys: object) -> list[dict]:
    return [{"k": key} for key in keys]


def test_an_empty_set_costs_one_request():
    walk = Walk("s", (KEY,), "", 10)
    assert walk.received([], None) == []
    assert walk.ask is None


def test_a_short_page_is_the_end_once_the_server_gave_as_many_rows_as_it_was_asked_for():
    walk = Walk("s", (KEY,), "", 3)
    walk.received(rows(1, 2, 3), None)
    walk.received(rows(4, 5), None)
    assert walk.ask is None


def test_a_short_page_is_no_end_while_the_server_may_be_cutting_pages():
    walk = Walk("s", (KEY,), "", 10)
    walk.received(rows(1, 2, 3), None)
    walk.received(rows(4, 5), None)  # wide rows: a server may cut by bytes
    assert walk.ask == Ask(10, "k gt 5")
    walk.received([], None)
    assert walk.ask is None


def test_a_silent_cap_is_noticed_told_once_and_remembered():
    walk = Walk("s", (KEY,), "", 10)
    for first in (1, 3, 5):
        walk.received(rows(first, first + 1), None)
    assert walk.news() == ["IFS Cloud cuts pages of s to 2 rows"]
    again = Walk("s", (KEY,), "", 10, learned=walk.learned)
    for first in (1, 3):
        again.received(rows(first, first + 1), None)
    assert again.news() == []
    assert again.learned.capped_at == 2


def test_a_link_is_a_promise_of_more_and_the_rows_behind_the_last_one_are_asked_for_by_key():
    walk = Walk("s", (KEY,), "", 10)
    assert walk.received(rows(1, 2), "https://a/2") == rows(1, 2)
    assert walk.ask == Ask(10, "k gt 2")
    walk.received(rows(3), None)  # a server that sends links says by having none that this was the last page
    assert walk.ask is None


def test_a_full_page_without_a_link_is_no_end_for_a_server_that_sends_links():
    walk = Walk("s", (KEY,), "", 2)
    walk.received(rows(1), "https://a/2")
    walk.received(rows(2, 3), None)
    assert walk.ask == Ask(2, "k gt 3")


@pytest.mark.parametrize("mode", ["keyset", "skip"])
def test_an_empty_page_with_a_link_is_not_the_end(mode):
    walk = Walk("s", (KEY,), "", 10, mode)
    walk.received([], "https://a/2")
    assert walk.ask == Ask(10, link="https://a/2")
    walk.received([], "https://a/3")
    assert walk.received(rows(3, 4), "https://a/4") == rows(3, 4)
    onward = Ask(10, "k gt 4") if mode == "keyset" else Ask(10, skip=1, overlaps=True)
    assert walk.ask == onward


def test_a_counted_page_of_the_known_row_alone_is_no_end_where_a_link_leads_on():
    walk = Walk("s", (KEY,), "", 2, "skip")
    walk.received(rows(1, 2), None)
    walk.received(rows(2), "https://a/2")
    assert walk.ask == Ask(2, link="https://a/2")


def test_a_page_that_repeats_stops_the_stream_where_the_way_of_paging_was_set():
    walk = Walk("s", (KEY,), "", 2, "keyset")
    walk.received(rows(1, 2), None)
    with pytest.raises(ContractBrokenError, match=r"s: IFS Cloud sent page 1 again instead of page 2.*paging: skip"):
        walk.received(rows(1, 2), None)


def test_a_counted_page_comes_again_where_rows_appeared_before_it():
    walk = Walk("s", (KEY,), "", 2, "skip")
    walk.received(rows(5, 6), None)
    for skip in (1, 2, 3):  # a row has come in at the front each time
        assert walk.ask == Ask(2, skip=skip, overlaps=True)
        assert walk.received(rows(5, 6), None) == []
    walk.received(rows(6), None)
    assert walk.ask is None


def test_a_single_row_is_the_end_of_a_counted_set_if_there_is_nothing_beyond_it():
    walk = Walk("s", (KEY,), "", 2, "skip")
    walk.received(rows(5), None)
    assert walk.ask == Ask(2, overlaps=True)
    walk.received(rows(5), None)
    assert walk.ask == Ask(2, skip=1)
    walk.received([], None)
    assert walk.ask is None


def test_a_server_that_does_not_heed_skip_stops_the_stream():
    walk = Walk("s", (KEY,), "", 2, "skip")

    def page_after_page() -> None:
        while walk.ask:
            walk.received(rows(1, 2), None)

    with pytest.raises(ContractBrokenError, match="again instead of"):
        page_after_page()


def test_a_server_that_repeats_pages_whatever_it_is_asked_stops_the_stream():
    walk = Walk("s", (KEY,), "", 2)

    def page_after_page() -> None:
        while walk.ask:
            walk.received(rows(1, 2), None)
            assert walk.page < 50

    with pytest.raises(ContractBrokenError, match="again instead of"):
        page_after_page()
    assert walk.news() == [
        "The rows of s are counted from page to page, since it sends a page again instead of what lies behind it"
    ]


def test_a_link_that_repeats_stops_the_stream():
    walk = Walk("s", (KEY,), "", 2)
    walk.received([], "https://a/2")
    with pytest.raises(ContractBrokenError, match=r"the same @odata\.nextLink twice"):
        walk.received([], "https://a/2")


def test_links_that_lead_in_a_circle_of_pages_stop_the_stream():
    walk = Walk("s", (KEY,), "", 2, "link")

    def page_after_page() -> None:
        while walk.ask:
            walk.received(rows(1, 2), f"https://a/{walk.page}")
            assert walk.page < 50

    with pytest.raises(ContractBrokenError, match="again instead of"):
        page_after_page()


def test_a_row_without_what_pages_are_ordered_by_stops_the_stream():
    walk = Walk("s", (KEY,), "", 2)
    with pytest.raises(ContractBrokenError, match="a row has no value for what the pages are ordered by"):
        walk.received([{"x": 1}], None)


def test_a_refused_keyset_filter_falls_back_to_counting_from_the_same_place():
    walk = Walk("s", (KEY,), "Company eq '10'", 2)
    walk.received(rows(1, 2), None)
    assert walk.ask == Ask(2, "(Company eq '10') and (k gt 2)")
    assert walk.fall_back()
    assert walk.ask == Ask(2, "Company eq '10'", skip=1, overlaps=True)
    assert walk.news() == [
        "The rows of s are counted from page to page, since it refuses filters on what it is ordered by"
    ]
    assert walk.received(rows(2, 3), None) == rows(3)
    assert not walk.fall_back()  # no link was ever sent: there is no third way
    assert Walk("s", (KEY,), "", 2, learned=walk.learned).received(rows(1, 2), None) == rows(1, 2)


def test_what_was_found_out_is_where_the_next_walk_begins():
    walk = Walk("s", (KEY,), "", 2, learned=Learned(mode="skip"))
    walk.received(rows(1, 2), None)
    assert walk.ask == Ask(2, skip=1, overlaps=True)
    insisting = Walk("s", (KEY,), "", 2, "keyset", learned=Learned(mode="skip"))
    insisting.received(rows(1, 2), None)
    assert insisting.ask == Ask(2, "k gt 2")
    assert insisting.learned.mode == "skip"  # a setting teaches nothing


def test_links_are_followed_from_the_start_where_neither_keys_nor_counting_are_accepted():
    walk = Walk("s", (KEY,), "", 3)
    walk.received(rows(1, 2), "https://a/2")
    assert walk.fall_back()
    assert walk.ask == Ask(3, skip=1, overlaps=True)
    assert walk.fall_back()
    assert walk.ask == Ask()  # a $top would end the links too
    walk.received(rows(1, 2), "https://a/2")
    assert walk.ask == Ask(link="https://a/2")
    walk.received(rows(3), None)
    assert walk.ask is None
    assert "rows that go meanwhile may hide others" in walk.news()[1]
    assert walk.learned.mode == "link"


def test_a_refused_first_page_is_no_matter_of_paging():
    assert not Walk("s", (KEY,), "", 2).fall_back()


def test_a_way_of_paging_that_was_set_is_not_left():
    walk = Walk("s", (KEY,), "", 2, "keyset")
    walk.received(rows(1, 2), None)
    assert not walk.fall_back()
    assert walk.ask == Ask(2, "k gt 2")


def test_a_set_that_sorts_by_a_language_is_counted():
    walk = Walk("s", (TEXT,), "", 3)
    walk.received(rows("a", "A", "b"), None)
    assert walk.ask == Ask(3, skip=2, overlaps=True)
    assert walk.learned.mode == "skip"
    assert walk.news() == [
        "The rows of s are counted from page to page, since its texts are sorted by the rules of a language"
    ]


def test_a_set_that_turns_out_to_sort_by_a_language_behind_a_filter_is_counted_from_the_start():
    walk = Walk("s", (TEXT,), "", 2)
    walk.received(rows("A", "C"), None)
    walk.received(rows("a", "D"), None)
    assert walk.ask == Ask(2)


@pytest.mark.parametrize(
    ("mode", "onward"), [("keyset", Ask(500, "k gt 1000")), ("skip", Ask(500, skip=999, overlaps=True))]
)
def test_a_page_that_is_too_slow_is_halved_and_stays_so(mode, onward):
    walk = Walk("s", (KEY,), "", 1000, mode)
    walk.received(rows(*range(1, 1001)), None)
    assert walk.shrink()
    assert walk.ask == onward
    new = walk.received(rows(*range(1001 - onward.overlaps, 1501 - onward.overlaps)), None)
    assert walk.ask.top == 500
    assert new[0] == {"k": 1001}
    assert walk.news() == ["Pages of s have 500 rows from here on: larger ones come too late"]
    assert walk.news() == []


def test_a_page_is_halved_down_to_a_hundred_rows_and_no_further():
    walk = Walk("s", (KEY,), "", 5000)
    sizes = []
    while walk.shrink():
        sizes.append(walk.ask.top)
    assert sizes == [2500, 1250, 625, 312, 156, SMALLEST_PAGE]
    assert not walk.can_shrink
    assert not Walk("s", (KEY,), "", SMALLEST_PAGE).shrink()


def test_a_halved_page_that_comes_full_proves_nothing_about_longer_ones():
    walk = Walk("s", (KEY,), "", 400)
    walk.shrink()
    walk.received(rows(*range(200)), None)
    walk.received(rows(*range(200, 399)), None)
    assert walk.ask is None


def test_the_page_of_a_link_can_shrink_only_where_another_way_leads_on():
    walk = Walk("s", (KEY,), "", 400)
    walk.received([], "https://a/2")
    assert not walk.can_shrink
    assert not walk.shrink()
    walk.received(rows(1, 2), "https://a/3")
    walk.received([], "https://a/4")
    assert walk.ask == Ask(400, "k gt 2", link="https://a/4")
    assert walk.shrink()
    assert walk.ask == Ask(200, "k gt 2")
    links = Walk("s", (KEY,), "", 400, "link")
    assert not links.shrink()


def test_nothing_is_received_after_the_end():
    walk = Walk("s", (KEY,), "", 2)
    walk.received([], None)
    with pytest.raises(RuntimeError, match="after the end"):
        walk.received(rows(1), None)


def on_a_key() -> Walk:
    """A walk in pages of three that has come to row 3."""
    walk = Walk("s", (KEY,), "", 3)
    walk.received(rows(1, 2, 3), None)
    return walk


def test_a_page_that_holds_the_last_row_answers_what_lies_behind_it():
    walk = on_a_key()
    assert walk.behind_the_last(Ask(3, "k gt 1", skip=1), rows(3, 4, 5), None) == rows(4, 5)
    assert walk.ask == Ask(2, "k gt 3")
    assert walk.received(rows(4, 5), None) == rows(4, 5)
    assert walk.ask == Ask(3, "k gt 5")  # two rows were as many as that question had room for


def test_a_short_page_that_holds_the_last_row_is_as_much_an_end_as_any():
    walk = on_a_key()
    assert walk.behind_the_last(Ask(3, "k gt 1", skip=1), rows(3), None) == []
    walk.received([], None)
    assert walk.ask is None


@pytest.mark.parametrize(
    ("page", "link"),
    [
        (rows(4, 5, 6), None),  # rows before it have gone, and with them the known row
        (rows(1, 2, 3), None),  # nothing behind it: there was no room
        (rows(3), "https://a/2"),  # nothing behind it, but a link to more
        ([], None),
    ],
)
def test_a_page_without_the_last_row_or_with_nothing_to_learn_behind_it_answers_nothing(page, link):
    walk = on_a_key()
    assert walk.behind_the_last(Ask(3, "k gt 0", skip=1), page, link) is None
    assert walk.ask == Ask(3, "k gt 3")


def test_pages_further_on_are_known_only_to_a_walk_by_keys():
    walk = Walk("s", (KEY,), "", 3)
    assert not walk.stands_on_a_key
    walk.received(rows(1, 2, 3), None)
    assert walk.stands_on_a_key
    assert walk.fall_back()
    assert not walk.stands_on_a_key


@pytest.mark.parametrize(
    ("came", "link", "full"), [(3, None, True), (2, None, False), (2, "https://a", True), (0, "https://a", False)]
)
def test_a_page_is_full_that_is_as_long_as_asked_for_or_leads_on(came, link, full):
    assert Walk("s", (KEY,), "", 3).is_full(Ask(3), came, link) is full
