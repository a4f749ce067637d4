"""What the report says: in the terminal, on the page, in its charts."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_sandbox.data.changes import DAY
from ifs_bi_sandbox.demo.charts import bar_chart, month_chart
from ifs_bi_sandbox.demo.figures import FIGURES, OPEN_ORDERS, OUTSTANDING, SPEND, Company
from ifs_bi_sandbox.demo.meltano import Passage
from ifs_bi_sandbox.demo.page import MOST_BARS, page
from ifs_bi_sandbox.demo.run import looker_calls
from ifs_bi_sandbox.demo.story import EVENTS, LOOKER_CALLS, Bar, LookerCall, Story, bars, events, largest, totals
from ifs_bi_sandbox.demo.terminal import BETWEEN_LINES, Screen
from ifs_bi_sandbox.demo.wording import count, due, money, months_between, short, shortened
from ifs_bi_sandbox.looker.app import OPERATIONS
from rich.console import Console

NASTY = "<b>O'NEILL & Å</b>"
TODAY = date(2026, 11, 20)
REPORT = {
    OPEN_ORDERS.name: {
        ("O'NEILL", NASTY, "EUR"): Decimal("1000.10"),
        ("S1", "[red]Nordmetall[/red]", "EUR"): Decimal("2000.20"),
        ("S2", "Fjord", "SEK"): Decimal("40000.40"),
    },
    OUTSTANDING.name: {
        ("2025-12", "EUR"): Decimal("50.05"),
        ("2026-11", "EUR"): Decimal("-7.50"),
        ("2027-01", "SEK"): Decimal("123456.78"),
    },
    SPEND.name: {("10", "", ""): Decimal("1.25"), ("10", "110", "IT & data"): Decimal("3.75")},
}
RUNS = (
    Passage("target", 7.25, {"suppliers": 16, "purchase_orders": 74}),
    Passage("target", 6, {"suppliers": 1, "purchase_orders": 9}),
)
STORY = Story(
    today=TODAY,
    made=datetime(2026, 11, 22, 18, 5, tzinfo=UTC),
    scale=2000,
    seed=1,
    reports={"IFS Cloud": REPORT, "Warehouse": REPORT, "Power BI": REPORT},
    companies={"10": Company("10", "Nordvik <AB>", "SEK")},
    passages={"Warehouse": RUNS, "Power BI": RUNS},
    replication_keys={"purchase_orders": "ChangedDate"},
    changes={"new_purchase_order": 4, "rename_supplier": 1, "pay_invoice": 0},
    meltano=".envs/meltano/bin/meltano",
)
VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}


class Reader(HTMLParser):
    """Reads a page, and refuses tags that are not closed in their order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def values(self, attribute):
        return [attrs[attribute] for _, attrs in self.tags if attribute in attrs]


@pytest.fixture(scope="module")
def read():
    return Reader(page(STORY))


def test_the_page_is_well_formed_and_says_its_language(read):
    assert read.tags[0] == ("html", {"lang": "en"})
    assert Counter(tag for tag, _ in read.tags)["h1"] == 1


def test_the_page_asks_nobody_for_anything(read):
    text = page(STORY)
    assert not re.search(r"https?://|[\"'(=]\s*//|@import|url\((?!#)", text)
    assert not {tag for tag, _ in read.tags} & {"script", "img", "iframe", "object", "form"}
    assert read.values("src") == []
    assert set(read.values("href")) == {"data:,", *(f"#{figure.name}" for figure in FIGURES)}


def test_names_are_text_and_never_markup(read):
    assert NASTY in read.texts
    assert "Nordvik <AB>, SEK" in read.texts
    assert "b" not in {attrs.get("class") for tag, attrs in read.tags if tag == "b"}
    assert "<b>O'NEILL" not in page(STORY)


def test_every_reference_on_the_page_has_its_one_target(read):
    identities = Counter(read.values("id"))
    assert max(identities.values()) == 1
    named = {name for names in read.values("aria-labelledby") for name in names.split()}
    fragments = {name.removeprefix("#") for name in read.values("href") if name.startswith("#")}
    assert named | fragments | {"overdue"} <= identities.keys()


def test_every_chart_has_a_title_a_description_and_a_table(read):
    charts = [attrs for tag, attrs in read.tags if tag == "svg" and attrs.get("class") == "chart"]
    assert len(charts) == 5  # two currencies, two currencies, one company
    assert all(attrs["role"] == "img" and len(attrs["aria-labelledby"].split()) == 2 for attrs in charts)
    assert Counter(tag for tag, _ in read.tags)["table"] == len(FIGURES) + 2


def test_every_amount_stands_on_the_page_and_no_sum_over_currencies_does(read):
    for groups in REPORT.values():
        for amount in groups.values():
            assert money(amount) in read.texts
    assert money(Decimal("3000.30")) in read.texts
    assert not any(money(Decimal("43000.70")) in text for text in read.texts)


def test_the_page_says_what_moved_and_what_happened(read):
    text = " ".join(read.texts)
    assert "changes, by ChangedDate" in text
    assert "4 purchase orders were placed" in re.sub(r"\s+", " ", text)
    assert "supplier invoices were paid" not in text
    assert ".envs/meltano/bin/meltano --environment=prod run tap-ifs-cloud target-powerbi" in text


def test_of_streams_without_a_bookmark_all_rows_are_looked_at_and_what_differs_is_sent(read):
    page_text = re.sub(r"\s+", " ", " ".join(read.texts))
    assert "1 stream goes on from a bookmark" in page_text
    assert "Of the others it looked at all rows" in page_text
    text = shown(lambda screen: screen.moved(STORY))
    assert re.search(r"suppliers +all rows +16 +1 +16 +1", text)


def test_a_report_without_any_amount_is_a_page_too():
    nothing = {figure.name: {} for figure in FIGURES}
    Reader(page(replace(STORY, reports={"IFS Cloud": nothing, "Warehouse": nothing, "Power BI": nothing})))


def shown(tell, width=100):
    console = Console(file=StringIO(), width=width, highlight=False)
    tell(Screen(console, steps=3, clock=iter([0.0, 1.0, BETWEEN_LINES, BETWEEN_LINES, BETWEEN_LINES + 1]).__next__))
    return console.file.getvalue()


def test_the_terminal_shows_names_as_they_are():
    text = shown(lambda screen: screen.figures(STORY))
    assert "[red]Nordmetall[/red]" in text
    assert NASTY in text
    assert "3,000.30" in text
    assert "43,000.70" not in text


def test_the_terminal_shows_every_place_and_every_run():
    text = shown(lambda screen: (screen.moved(STORY), screen.agreement(STORY)))
    assert re.search(r"purchase_orders +changes +74 +9 +74 +9", text)
    assert re.search(r"all +90 +10 +90 +10", text)
    assert re.search(r"Open purchase orders +EUR( +3,000\.30){3}", text)


def test_a_log_gets_a_line_of_progress_now_and_then():
    def work(screen):
        screen.step("Run")
        with screen.working("meltano run") as told:
            told("too early")
            told("in time")
            told("again too early")

    assert shown(work) == "\n[1/3] Run\n  meltano run …\n  … in time\n"


def test_every_kind_of_event_of_a_day_has_words():
    assert {action for action, _ in DAY} <= EVENTS.keys()
    assert events({"pay_invoice": 1, "new_customer_order": 2, "unknown": 3, "post_vouchers": 0}) == [
        (1, "supplier invoice was paid"),
        (2, "customer orders were placed"),
        (3, "unknown"),
    ]


def test_totals_are_made_place_by_place():
    other = {**REPORT, SPEND.name: {}}
    found = totals(replace(STORY, reports={**STORY.reports, "Power BI": other}))
    assert [(total.figure.subject, total.unit) for total in found] == [
        ("Open purchase orders", "EUR"),
        ("Open purchase orders", "SEK"),
        ("Outstanding supplier invoices", "EUR"),
        ("Outstanding supplier invoices", "SEK"),
        ("Month-to-date spend", "10"),
    ]
    assert dict(found[-1].amounts) == {"IFS Cloud": Decimal(5), "Warehouse": Decimal(5), "Power BI": Decimal(0)}


def test_what_has_no_name_goes_by_its_code_and_what_has_neither_says_so():
    assert bars(OPEN_ORDERS, {("S9", "", "EUR"): Decimal(1)}) == [Bar("S9", "S9", Decimal(1))]
    assert bars(SPEND, {("10", "", ""): Decimal(1)}) == [Bar("(none)", "", Decimal(1))]


def test_suppliers_come_by_size_and_months_in_their_order():
    assert [bar.note for bar in bars(OPEN_ORDERS, REPORT[OPEN_ORDERS.name])] == ["S2", "S1", "O'NEILL"]
    assert [bar.note for bar in bars(OUTSTANDING, REPORT[OUTSTANDING.name])] == ["2025-12", "2026-11", "2027-01"]


def test_the_others_together_are_worth_what_they_are_worth_one_by_one():
    many = [Bar(str(number), str(number), Decimal(number)) for number in range(40, 0, -1)]
    few = largest(many, MOST_BARS)
    assert len(few) == MOST_BARS + 1
    assert (few[-1].label, few[-1].together) == ("28 others", True)
    assert sum(bar.amount for bar in few) == sum(bar.amount for bar in many)
    assert largest(many[: MOST_BARS + 1], MOST_BARS) == many[: MOST_BARS + 1]


AMOUNTS = st.lists(st.decimals(-(10**12), 10**12, places=2), min_size=1, max_size=14)


@given(AMOUNTS)
def test_no_bar_leaves_its_chart(amounts):
    chart = Reader(bar_chart("c", "Spend", [Bar("x", "x", amount) for amount in amounts]))
    for attrs in (attrs for tag, attrs in chart.tags if attrs.get("class") == "fill"):
        left, length = (Decimal(attrs[name].removesuffix("%")) for name in ("x", "width"))
        assert 0 <= left <= 100
        assert length > 0
        assert left + length <= Decimal("100.31")


@given(AMOUNTS)
def test_no_column_leaves_its_chart(amounts):
    months = list(months_between("2026-01", "2027-02"))
    found = [Bar(month, month, amount) for month, amount in zip(months, amounts, strict=False)]
    chart = Reader(month_chart("c", "Due", found, months, TODAY))
    height = Decimal(next(attrs["height"] for tag, attrs in chart.tags if tag == "svg"))
    columns = [attrs for _, attrs in chart.tags if attrs.get("class") == "fill"]
    assert len(columns) == len(found)
    for attrs in columns:
        assert 0 <= Decimal(attrs["y"]) <= Decimal(attrs["y"]) + Decimal(attrs["height"]) < height


def test_overdue_months_look_different_and_say_so():
    found = bars(OUTSTANDING, REPORT[OUTSTANDING.name])
    chart = Reader(month_chart("c", "Due", found, list(months_between("2025-12", "2027-01")), TODAY))
    kinds = [attrs["class"] for tag, attrs in chart.tags if tag == "g"]
    assert kinds == ["overdue", "this-month", "later"]
    assert "December 2025, overdue: 50.05" in chart.texts
    assert "November 2026, this month: -7.50" in chart.texts


@pytest.mark.parametrize(
    ("amount", "long", "brief"),
    [
        ("0", "0.00", "0"),
        ("0.1", "0.10", "0"),
        ("950.4", "950.40", "950"),
        ("999.60", "999.60", "1.0k"),
        ("8449.99", "8,449.99", "8.4k"),
        ("218394.60", "218,394.60", "218k"),
        ("999960", "999,960.00", "1.0M"),
        ("-1234567.891", "-1,234,567.891", "-1.2M"),
        ("12345678901234567.89", "12,345,678,901,234,567.89", "12345679B"),
    ],
)
def test_amounts_have_every_digit_and_labels_few(amount, long, brief):
    assert (money(Decimal(amount)), short(Decimal(amount))) == (long, brief)


def test_months_follow_each_other_over_the_year():
    assert list(months_between("2025-11", "2026-02")) == ["2025-11", "2025-12", "2026-01", "2026-02"]
    assert [due(month, TODAY) for month in ("2025-12", "2026-10", "2026-11", "2026-12")] == [
        *["overdue"] * 2,
        "this month",
        "later",
    ]


def test_counts_and_long_names_read_well():
    assert (count(1, "row"), count(1200, "row"), count(2, "stream goes", "streams go")) == (
        "1 row",
        "1,200 rows",
        "2 streams go",
    )
    assert (shortened("Åkerlund", 8), shortened("Åkerlund & Söner", 10)) == ("Åkerlund", "Åkerlund…")


CALLS = (
    LookerCall(1, "login", "", "none", 200),
    LookerCall(1, "update_datagroup", NASTY, "admin", 200),
    LookerCall(2, "something_new", "", "query", 422),
)


def test_what_looker_was_told_is_shown_in_the_terminal_and_on_the_page():
    told = replace(STORY, looker=CALLS)
    text = shown(lambda screen: screen.looker(told))
    assert re.search(r"1 +signed in +- +200", text)
    assert re.search(rf"1 +datagroup {re.escape(NASTY)} was triggered.* +admin +200", text)
    assert re.search(r"2 +something_new +query +422", text)
    read = Reader(page(told))
    assert f"datagroup {NASTY} was triggered: what is cached is stale" in read.texts
    assert "looker" in read.values("id")


def test_a_demo_without_looker_says_nothing_of_it():
    assert shown(lambda screen: screen.looker(STORY)) == ""
    assert "What Looker was told" not in page(STORY)


def test_calls_are_of_the_load_before_which_they_were_not_there():
    document = {"operation": "login", "about": "", "quota": "none", "status": 200, "time": 1.0}
    assert [call.run for call in looker_calls([document] * 3, 2)] == [1, 1, 2]
    assert looker_calls([], 0) == []


def test_every_call_that_counts_has_words():
    told = {operation.__name__ for *_, operation, quota in OPERATIONS if quota != "none"}
    asked_by_loads = told - {"me", "connection", "datagroup", "check_pdt_build", "scheduled_plan"}
    assert asked_by_loads == LOOKER_CALLS.keys() - {"login"}
