"""The page: whole, escaped, bounded, silent towards the network, and true to the report."""

import base64
import hashlib
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.report.charts import Column, column_chart, meter, spark
from ifs_bi_core.report.figures import as_json
from ifs_bi_core.report.openmetrics import openmetrics
from ifs_bi_core.report.page import asset, page
from ifs_bi_core.report.wording import minute, span

FEW = settings(max_examples=30)
VOID = {"meta", "link", "wbr"}
ADDRESSES = {"src", "href", "srcset", "action", "poster", "data", "formaction", "xlink:href", "background", "ping"}
NASTY = '<b>O\'NEILL & "Å"</b>'


class Reader(HTMLParser):
    """Reads a page, and refuses tags that are not closed in their order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.tables, self.text, self.row = [], [], {}, [], None
        self.caption = None
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.row = []
        elif tag in {"th", "td"}:
            self.row.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "tr" and "tbody" in self.open:
            self.tables[self.caption].append(self.row)

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)
        if self.open[-1:] == ["caption"]:
            self.caption = data
            self.tables[data] = []
        elif self.row and {"th", "td"} & set(self.open):
            self.row[-1] += data


@pytest.fixture(scope="module")
def found(week):
    return week.report()


@pytest.fixture(scope="module")
def read(found):
    return Reader(page(found))


@pytest.fixture(scope="module", params=["none", "one", "week", "many"])
def any_report(request):
    return request.getfixturevalue(request.param).report()


def test_no_page_asks_anybody_for_anything(any_report):
    text = page(any_report)
    reader = Reader(text)
    for tag, attributes in reader.tags:
        assert tag not in {"iframe", "object", "embed", "img", "form", "base", "audio", "video", "a", "use", "image"}
        for name in ADDRESSES & attributes.keys():
            assert attributes[name].startswith(("data:", "#")), (tag, attributes)
        assert "style" not in attributes, "the policy lets no style through that is not in the sheet"
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"url\((?!#)|@import|@font-face|image-set", asset("page.css"))
    assert not re.search(r"fetch|XMLHttp|import|WebSocket|sendBeacon|src|open\(", asset("page.js"))


def test_the_policy_of_the_page_lets_its_own_style_and_script_through_and_nothing_else(found):
    text = page(found)
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_every_figure_of_a_run_is_in_its_row(found, read):
    rows = {
        row[0][: len(run.run)]: row
        for run, row in zip(reversed(found.runs), read.tables["Runs, newest first"], strict=True)
    }
    for run in found.runs:
        row = rows[run.run]
        assert " | ".join(run.plugins) in row[0]
        assert row[1] == minute(run.started)
        assert row[2].startswith(run.status.value)
        assert row[4:8] == [f"{n:,}" for n in (run.read, run.acknowledged, run.dead, run.unknown + run.waiting)]
        assert row[9:] == [f"{run.requests:,}", f"{run.retries:,}"]


def test_every_figure_of_a_stream_is_in_its_rows(found, read):
    fresh = {row[0]: row for row in read.tables["Freshness"]}
    moved = {row[0]: row for row in read.tables["Rows of the shown runs"]}
    assert len(fresh) == len(moved) == len(found.streams)
    for one in found.streams:
        name = f"{one.stream}{one.target}"
        if one.age_seconds is not None:
            assert fresh[name][2] == span(one.age_seconds)
            assert fresh[name][5] == minute(one.delivered_at)
        assert moved[name][3:6] == [f"{n:,}" for n in (one.acknowledged, one.dead, one.unknown + one.waiting)]
        if one.scan:
            assert moved[name][6:8] == [minute(one.scan.at), f"{one.scan.keys:,}"]
    assert read.tables["Freshness"][0][1] == "late"


def test_every_figure_of_a_service_is_in_its_row(found, read):
    [row], [one] = read.tables["Services"], found.services
    assert [row[0], *row[2:7]] == [
        "ifs",
        *(f"{n:,}" for n in (one.requests, one.throttled, one.failed, one.unanswered, one.retries)),
    ]
    assert f"{one.busiest_requests:,} of 1,000" in row[1]


def test_findings_and_dead_letters_stand_with_their_commands(found, read):
    text = "".join(read.text)
    for one in (*found.findings, *found.dead_letters):
        assert one.command in text
    for one in found.findings:
        assert one.sentence in text
    assert found.dead_letters[0].reason in text
    assert f"{len(found.findings)} things need you" in text


def test_no_key_and_no_value_of_a_record_is_in_any_form(found):
    for form in (page(found), as_json(found), openmetrics(found)):
        assert "KEY-OF" not in form
        assert "VALUE OF" not in form


def test_names_are_text_and_never_tags(found):
    stream = replace(found.streams[0], stream=NASTY, target=NASTY, destinations=(NASTY,))
    letter = replace(found.dead_letters[0], stream=NASTY, destination=NASTY, reason=NASTY, command=NASTY)
    unknown = replace(found.unknown[0], stream=NASTY, destination=NASTY, hosts=(NASTY,), plugins=(NASTY,))
    run = replace(found.runs[0], run=NASTY, plugins=(NASTY,))
    service = replace(found.services[0], service=NASTY)
    finding = replace(found.findings[0], sentence=NASTY, command=NASTY)
    text = page(
        replace(
            found,
            ledger=NASTY,
            streams=(stream,) * 2,
            dead_letters=(letter,),
            unknown=(unknown,),
            runs=(run,) * len(found.runs),
            services=(service,),
            findings=(finding,),
        )
    )
    reader = Reader(text)
    assert "<b>O'" not in text
    assert "".join(reader.text).count(NASTY) >= 12
    assert not [attributes for tag, attributes in reader.tags if tag == "b" and attributes]


def test_a_page_of_many_runs_and_streams_is_not_large(many, one):
    text = page(many.report())
    assert len(text) < 400_000
    assert len(page(many.report(runs=400))) < 1_000_000
    assert len(page(one.report())) < 100_000


def test_times_stand_in_utc_and_wait_for_the_zone_of_the_viewer(found, read):
    times = [attributes for tag, attributes in read.tags if tag == "time"]
    assert {one["title"][-4:] for one in times} == {" UTC"}
    assert found.made_at in {one["datetime"] for one in times}


def test_a_ledger_without_runs_says_what_comes_next(none):
    text = "".join(Reader(page(none.report())).text)
    assert "Nothing has run yet" in text
    assert "meltano run" in text


def test_the_page_says_when_all_is_well(one):
    assert "All is well" in page(one.report())


def svg(text):
    return ET.fromstring(text)


def numbers(element, name):
    return [float(rect.get(name).rstrip("%")) for rect in element.iter("rect") if rect.get("class") == "fill"]


@FEW
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=120))
def test_higher_values_have_higher_columns_and_all_fit(values):
    chart = svg(column_chart("x", NASTY, [Column(value, f"{value} rows") for value in values]))
    heights, lefts, widths = (numbers(chart, name) for name in ("height", "x", "width"))
    assert len(heights) == len(values)
    by_value = [height for _, height in sorted(zip(values, heights, strict=True))]
    assert by_value == sorted(by_value)
    assert max(heights) <= 132
    assert all(height > 0 for height, value in zip(heights, values, strict=True) if value)
    assert lefts == sorted(lefts)
    assert max(map(sum, zip(lefts, widths, strict=True))) <= 100


@FEW
@given(st.lists(st.none() | st.integers(0, 10**9), max_size=120))
def test_a_small_chart_has_a_column_for_each_run_that_moved_rows(rows):
    base, fill = svg(spark(rows)).iter("path")
    assert base.get("d").count("M") == sum(value is not None for value in rows)
    assert fill.get("d").count("M") == sum(bool(value) for value in rows)


@FEW
@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_bar_reaches_its_line_when_it_should(share, limit):
    chart = svg(meter(share, limit, "good"))
    [long], [line] = numbers(chart, "width"), [float(one.get("x1").rstrip("%")) for one in chart.iter("line")]
    assert 0 <= line <= 100
    assert 1 <= long <= 100
    assert share <= limit or long >= line


def test_what_a_colour_says_a_mark_says_too():
    chart = column_chart("x", "Runs", [Column(1, "a", "warn"), Column(1, "b", "bad"), Column(1, "c")])
    assert [text.text for text in svg(chart).iter("text") if text.get("class") == "mark"] == ["◆", "✕"]
    assert "3 columns, from 1 to 1, the last 1; 2 of them marked." in chart
