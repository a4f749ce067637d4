"""No row is lost on the way through a set, whatever the server does and however the set changes meanwhile."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.paging import Ask, Walk

MODIFIED = Property("m", "Edm.Decimal")
KEY = Property("k", "Edm.Decimal")


@dataclass
class Server:
    """An entity set in memory. It understands what `Walk` asks for: a position to start behind, a skip, or a link."""

    rows: list[dict]
    cap: int = 1_000
    links: bool = False
    asked: list[Ask] = field(default_factory=list)

    def answer(self, ask: Ask, behind: tuple | None, order: tuple[Property, ...], page_size: int):
        self.asked.append(ask)
        names = [prop.name for prop in order]
        ordered = sorted(self.rows, key=lambda row: tuple(row[name] for name in names))
        if behind is not None:
            ordered = [row for row in ordered if tuple(row[name] for name in names) > behind]
        total = ordered[ask.skip : ask.skip + page_size]
        return [dict(row) for row in total[: self.cap]]


def walk_through(
    server: Server, *, page_size: int, mode: str, between=lambda _page: None, order=(MODIFIED, KEY)
) -> list[dict]:
    """Every row that the walk gives, while `between` changes the set after each page."""
    walk = Walk("s", order, "", page_size, mode)
    given_rows: list[dict] = []
    last: tuple | None = None
    while walk.ask:
        behind = last if walk.ask.filter else None
        rows = server.answer(walk.ask, behind, order, page_size)
        new = walk.received(rows, None)
        given_rows += new
        if rows:
            last = tuple(rows[-1][prop.name] for prop in order)
        if walk.ask:  # what happens after the last page is for the next run
            between(walk.page)
        assert walk.page < 500, "the walk does not end"
    return given_rows


def some_rows(count: int) -> list[dict]:
    return [{"m": number // 3, "k": number, "v": 0} for number in range(count)]


@given(
    count=st.integers(0, 60),
    page_size=st.integers(1, 20),
    cap=st.integers(1, 25),
    mode=st.sampled_from(["keyset", "skip"]),
)
def test_every_row_of_a_quiet_set_comes_once_in_order(count, page_size, cap, mode):
    if mode == "skip" and min(page_size, cap) == 1:
        page_size, cap = page_size + 1, cap + 1
    rows = some_rows(count)
    assert walk_through(Server(rows, cap=cap), page_size=page_size, mode=mode) == rows


CHANGES = st.lists(
    st.tuples(st.sampled_from(["delete", "update", "insert"]), st.integers(0, 40)), min_size=1, max_size=12
)


@settings(max_examples=300)
@given(
    count=st.integers(0, 40),
    page_size=st.integers(2, 9),
    cap=st.integers(2, 9),
    mode=st.sampled_from(["keyset", "skip"]),
    changes=CHANGES,
)
def test_rows_that_stay_are_all_given_while_the_set_changes_between_pages(count, page_size, cap, mode, changes):
    """Updates and inserts are later than everything, as timestamps are.

    What is there at the end was given as it is, or is later than everything given: the next run's bookmark finds it.
    """
    server = Server(some_rows(count), cap=cap)
    script = iter(changes)
    clock = [count + 1_000]

    def between(_page: int) -> None:
        kind, which = next(script, (None, 0))
        clock[0] += 1
        if kind == "insert":
            server.rows.append({"m": clock[0], "k": clock[0], "v": 1})
        elif server.rows and kind == "delete":
            server.rows.pop(which % len(server.rows))
        elif server.rows and kind == "update":
            server.rows[which % len(server.rows)].update(m=clock[0], v=clock[0])

    given_rows = walk_through(server, page_size=page_size, mode=mode, between=between)
    newest = {row["k"]: row for row in given_rows}
    bookmark = max((row["m"] for row in given_rows), default=-1)
    assert [row for row in server.rows if newest.get(row["k"]) != row and row["m"] <= bookmark] == []


def test_an_empty_set_costs_one_request():
    server = Server([])
    walk_through(server, page_size=10, mode="keyset")
    assert len(server.asked) == 1


def test_a_short_page_behind_a_long_one_is_the_end():
    server = Server(some_rows(15))
    walk_through(server, page_size=10, mode="keyset")
    assert len(server.asked) == 2


def test_a_silent_cap_is_noticed():
    walk = Walk("s", (KEY,), "", 10)
    walk.received([{"k": 1}, {"k": 2}], None)
    walk.received([{"k": 3}, {"k": 4}], None)
    assert walk.capped_at == 2


def rows(*keys: int) -> list[dict]:
    return [{"k": key} for key in keys]


def test_links_are_followed_and_an_empty_page_with_a_link_is_not_the_end():
    walk = Walk("s", (KEY,), "", 10)
    assert walk.received(rows(1, 2), "https://a/2") == rows(1, 2)
    assert walk.ask == Ask(link="https://a/2")
    assert walk.received([], "https://a/3") == []
    assert walk.received(rows(3), None) == rows(3)
    assert walk.ask is None


def test_links_that_lead_beyond_the_rows_asked_for_end_with_the_set():
    walk = Walk("s", (KEY,), "", 2)
    walk.received(rows(1, 2), "https://a/2")
    walk.received(rows(3, 4), None)
    assert walk.ask is None


def test_links_that_end_with_the_rows_asked_for_are_no_end():
    walk = Walk("s", (KEY,), "", 3)
    walk.received(rows(1, 2), "https://a/2")
    walk.received(rows(3), None)
    assert walk.ask == Ask(filter="k gt 3")


def test_a_page_that_repeats_stops_the_stream():
    walk = Walk("s", (KEY,), "", 2)
    walk.received(rows(1, 2), None)
    with pytest.raises(ContractBrokenError, match="s: IFS Cloud sent page 1 again instead of page 2"):
        walk.received(rows(1, 2), None)


def test_a_server_that_does_not_heed_skip_stops_the_stream():
    walk = Walk("s", (KEY,), "", 2, "skip")

    def page_after_page() -> None:
        while walk.ask:
            walk.received(rows(1, 2), None)

    with pytest.raises(ContractBrokenError, match="again instead of"):
        page_after_page()


def test_a_link_that_repeats_stops_the_stream():
    walk = Walk("s", (KEY,), "", 2)
    walk.received(rows(1), "https://a/2")
    with pytest.raises(ContractBrokenError, match=r"the same @odata\.nextLink twice"):
        walk.received(rows(2), "https://a/2")


def test_a_row_without_what_pages_are_ordered_by_stops_the_stream():
    walk = Walk("s", (KEY,), "", 2)
    with pytest.raises(ContractBrokenError, match="a row has no value for what the pages are ordered by"):
        walk.received([{"x": 1}], None)


def test_a_refused_keyset_filter_falls_back_to_counting_from_the_same_place():
    walk = Walk("s", (KEY,), "Company eq '10'", 2)
    walk.received(rows(1, 2), None)
    assert walk.ask == Ask(filter="(Company eq '10') and (k gt 2)")
    assert walk.fall_back()
    assert walk.ask == Ask(filter="Company eq '10'", skip=1, overlaps=True)
    assert walk.received(rows(2, 3), None) == rows(3)
    assert not walk.fall_back()


def test_a_refused_first_page_is_no_matter_of_paging():
    assert not Walk("s", (KEY,), "", 2).fall_back()
