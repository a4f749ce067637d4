"""No row is lost on the way through a set, whatever the server does and however the set changes meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError
from tap_ifs_cloud.ahead import Answer, PagesAhead, Question
from tap_ifs_cloud.learned import in_code_point_order
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.outcomes import RefusedError, TooSlowError
from tap_ifs_cloud.paging import Ask, Walk
from tap_ifs_cloud.turns import Turns

MODIFIED = Property("m", "Edm.Decimal")
KEY = Property("k", "Edm.Decimal")
TEXT = Property("k", "Edm.String")


NOW = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass
class Server:
    """An entity set in memory that answers like one of the tenants that were seen, or like several at once.

    Attributes:
        cap: rows a page at most, said or not.
        links: whether a cut page carries a link; its token counts rows, so rows that go shift what it leads to.
        hides: whether each page but the last comes empty once before it, as where rows are hidden after paging.
        refuses: what is answered 400, of ``keyset`` and ``skip``.
        ignores: what is not heeded, of ``keyset`` and ``skip``.
        in_time: rows of the largest page that is ready before the time limit.
        sorting: what a text is sorted by; compared it is by code points.
    """

    rows: list[dict]
    cap: int = 10_000
    links: bool = False
    hides: bool = False
    refuses: frozenset[str] = frozenset()
    ignores: frozenset[str] = frozenset()
    in_time: int = 10_000
    sorting: object = staticmethod(lambda value: value)
    asked: list[Ask] = field(default_factory=list)

    def answer(self, ask: Ask, order: tuple[Property, ...]) -> tuple[list[dict], str | None]:
        self.asked.append(ask)
        offset, top, condition = ask.skip, ask.top or 10_000, ask.filter
        hidden = False
        if ask.link:
            token = ask.link.split("|")
            offset, top, condition, hidden = int(token[0]), int(token[1]), token[2], token[3] == "hidden"
        elif top > self.in_time and ask.top:
            raise TooSlowError("late")
        for option, used in (("keyset", bool(condition)), ("skip", bool(ask.skip))):
            if used and option in self.refuses:
                raise RefusedError("refused")
        if "keyset" in self.ignores:
            condition = ""
        if "skip" in self.ignores and not ask.link:
            offset = 0
        names = [prop.name for prop in order]
        found = [row for row in self.rows if not condition or holds(condition, row)]
        found.sort(key=lambda row: tuple(self.sorting(row[name]) for name in names))
        if self.hides and self.links and not hidden:
            return [], f"{offset}|{top}|{condition}|hidden"
        page = found[offset : offset + min(top, self.cap)]
        end = offset + len(page)
        more = self.links and len(page) < top and end < len(found)
        return [dict(row) for row in page], f"{end}|{top - len(page)}|{condition}|" if more else None


def holds(condition: str, row: dict) -> bool:
    """Read the filter that was sent, as a server would."""
    expression = condition.replace(" gt ", " > ").replace(" eq ", " == ")
    return bool(eval(expression, {}, dict(row)))  # our own text, of numbers and quoted letters


def walk_through(
    server: Server,
    *,
    page_size: int,
    mode: str | None,
    between=lambda _page: None,
    order=(MODIFIED, KEY),
    early: Any = None,
) -> list[dict]:
    """Every row that the walk gives, while `between` changes the set and the server after each page.

    Pages that are asked for before their turn are asked for at the moments that ``early`` names.
    """
    walk = Walk("s", order, "", page_size, mode)
    given_rows: list[dict] = []

    def question(ask: Ask, _further: int, **_: bool) -> Question:
        def now() -> Answer:
            return Answer(*server.answer(ask, order), "", NOW, NOW)

        def early() -> Callable[[], Answer]:
            answer = now()
            return lambda: answer

        return Question(now, early)

    ahead = PagesAhead(walk, early or Turns(), question, tell=lambda _: None)
    while walk.ask:
        try:
            answer = ahead.next(walk.ask)
        except RefusedError:
            assert walk.fall_back()
            continue
        except TooSlowError:
            assert walk.shrink()
            continue
        given_rows += walk.received(answer.rows, answer.link)
        ahead.look_ahead()
        if walk.ask:  # what happens after the last page is for the next run
            between(walk.page)
            if early:
                early.go_on()
        assert walk.page < 2_000, "the walk does not end"
    return given_rows


def some_rows(count: int) -> list[dict]:
    return [{"m": number // 3, "k": number, "v": 0} for number in range(count)]


SERVERS = st.builds(
    Server,
    rows=(st.integers(0, 4) | st.integers(0, 60)).map(some_rows),
    cap=st.integers(2, 25) | st.just(10_000),
    links=st.booleans(),
    hides=st.booleans(),
)
MODES = st.sampled_from([None, "keyset", "skip"])
TURNS = st.tuples(
    st.sampled_from([1, 2, 3, 8]),
    st.lists(st.sampled_from(["wished", "changed", "needed"]), min_size=1, max_size=9).map(" ".join),
)


@settings(max_examples=300, deadline=None)
@given(server=SERVERS, page_size=st.integers(1, 20), mode=MODES, turns=TURNS)
def test_every_row_of_a_quiet_set_comes_once_in_order(early_turns, server, page_size, mode, turns):
    assert walk_through(server, page_size=page_size, mode=mode, early=early_turns(*turns)) == server.rows


@settings(max_examples=300, deadline=None)
@given(
    server=SERVERS,
    page_size=st.integers(1, 20),
    refuses=st.sets(st.sampled_from(["keyset", "skip"])),
    ignores=st.sets(st.sampled_from(["keyset", "skip"])),
    turns=TURNS,
)
def test_every_row_of_a_quiet_set_comes_where_a_way_is_left(early_turns, server, page_size, refuses, ignores, turns):
    server.refuses, server.ignores = frozenset(refuses), frozenset(ignores)
    broken = refuses | ignores
    if broken == {"keyset", "skip"}:  # links are what is left: there have to be some
        server.links, page_size = True, server.cap + 1
        assume(len(server.rows) > server.cap)
    got = walk_through(server, page_size=page_size, mode=None, early=early_turns(*turns))
    assert {row["k"] for row in got} == {row["k"] for row in server.rows}


@pytest.mark.parametrize("count", range(5))
@pytest.mark.parametrize("links", [False, True])
def test_a_server_that_gives_one_row_at_a_time_gives_them_all_or_is_told_apart_from_the_end(count, links):
    rows = some_rows(count)
    assert walk_through(Server(rows, cap=1, links=links), page_size=5, mode=None) == rows
    if count > 1 and not links:
        with pytest.raises(ContractBrokenError, match="gives one row a page, which can't be counted safely"):
            walk_through(Server(rows, cap=1), page_size=5, mode="skip")
    else:
        assert walk_through(Server(rows, cap=1, links=links), page_size=5, mode="skip") == rows


CHANGES = st.lists(
    st.lists(st.tuples(st.sampled_from(["delete", "update", "insert"]), st.integers(0, 60)), max_size=4),
    min_size=1,
    max_size=12,
)


def changing(server: Server, changes: list[list[tuple[str, int]]]):
    """Do what the schedule has for each page; updates and inserts are later than everything, as timestamps are."""
    script = iter(changes)
    clock = iter(range(10_000, 20_000))

    def between(_page: int) -> None:
        for kind, which in next(script, []):
            now = next(clock)
            if kind == "insert":
                server.rows.append({"m": now, "k": now - 20_000 if which % 2 else now, "v": now})
            elif server.rows and kind == "delete":
                server.rows.pop(which % len(server.rows))
            elif server.rows:
                server.rows[which % len(server.rows)].update(m=now, v=now)

    return between


@settings(max_examples=500, deadline=None)
@given(server=SERVERS, page_size=st.integers(2, 9), mode=MODES, keyset=st.booleans(), changes=CHANGES, turns=TURNS)
def test_what_is_there_at_the_end_was_given_or_is_later_than_everything_given(
    early_turns, server, page_size, mode, keyset, changes, turns
):
    """In the order of changes: the next run's bookmark finds what is later."""
    if not keyset and mode is None:
        server.refuses = frozenset({"keyset"})
    got = walk_through(
        server, page_size=page_size, mode=mode, between=changing(server, changes), early=early_turns(*turns)
    )
    newest = {row["k"]: row for row in got}
    bookmark = max((row["m"] for row in got), default=-1)
    assert [row for row in server.rows if newest.get(row["k"]) != row and row["m"] <= bookmark] == []


@settings(max_examples=500, deadline=None)
@given(server=SERVERS, page_size=st.integers(2, 9), mode=MODES, keyset=st.booleans(), changes=CHANGES, turns=TURNS)
def test_in_the_order_of_keys_every_row_that_stays_is_given(
    early_turns, server, page_size, mode, keyset, changes, turns
):
    """As a full reading and a scan go: a row that is there all the time must never look gone."""
    if not keyset and mode is None:
        server.refuses = frozenset({"keyset"})
    before = {row["k"] for row in server.rows}
    between = changing(server, changes)
    got = walk_through(server, page_size=page_size, mode=mode, between=between, order=(KEY,), early=early_turns(*turns))
    stayed = before & {row["k"] for row in server.rows}
    assert stayed <= {row["k"] for row in got}


@settings(max_examples=100, deadline=None)
@given(
    count=st.integers(0, 700),
    page_size=st.integers(101, 450),
    cap=st.integers(60, 300) | st.just(10_000),
    links=st.booleans(),
    mode=MODES,
    slow=st.lists(st.integers(100, 450), max_size=6),
    turns=TURNS,
)
def test_pages_that_come_too_late_cost_no_row(early_turns, count, page_size, cap, links, mode, slow, turns):
    server = Server(some_rows(count), cap=cap, links=links)
    limits = iter(slow)

    def slower(_page: int) -> None:
        server.in_time = next(limits, server.in_time)

    assert (
        walk_through(server, page_size=page_size, mode=mode, between=slower, early=early_turns(*turns)) == server.rows
    )


LETTERS = st.lists(st.text("aAbBzZ", min_size=1, max_size=3), unique=True, max_size=20)


@settings(max_examples=300, deadline=None)
@given(keys=LETTERS, page_size=st.integers(2, 6), cap=st.integers(2, 6), turns=TURNS)
def test_a_set_that_shows_on_its_first_page_to_be_sorted_by_a_language_loses_nothing(
    early_turns, keys, page_size, cap, turns
):
    """Sorted ``a`` beside ``A``, compared ``a`` behind ``Z``."""
    server = Server([{"k": key} for key in keys], cap=cap, sorting=lambda text: (text.lower(), text))
    first, _ = server.answer(Ask(page_size), (TEXT,))
    assume(not in_code_point_order(first, (TEXT,)))
    got = walk_through(server, page_size=page_size, mode=None, order=(TEXT,), early=early_turns(*turns))
    assert {row["k"] for row in got} == set(keys)


@pytest.mark.parametrize("links", [False, True])
def test_a_thousand_rows_cost_no_more_pages_than_they_fill_and_one(links):
    server = Server(some_rows(1_000), cap=100, links=links)
    walk_through(server, page_size=5_000, mode=None)
    assert len(server.asked) == (10 if links else 11)
