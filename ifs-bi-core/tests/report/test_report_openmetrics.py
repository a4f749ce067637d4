"""The metrics are OpenMetrics text, and say what the report says."""

import re
from collections import Counter
from dataclasses import replace
from datetime import datetime

import pytest
from ifs_bi_core.report.figures import Kind
from ifs_bi_core.report.openmetrics import METRICS, openmetrics

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)?\}})? (-?(?:\d+(?:\.\d+)?(?:e[+-]\d+)?))")


def parsed(text):
    """Samples by name and labels; anything that the format does not allow fails."""
    lines = text.split("\n")
    assert lines[-2:] == ["# EOF", ""]
    found, family, families = {}, None, set()
    for line in lines[:-2]:
        if line.startswith("# "):
            kind, name, said = line[2:].split(" ", 2)
            if kind == "TYPE":
                assert name not in families, "a family stands once"
                assert said == "gauge"
                family = name
                families.add(name)
            else:
                assert name == family
                assert kind in {"UNIT", "HELP"}
                assert kind != "UNIT" or name.endswith(f"_{said}")
            continue
        parts = SAMPLE.fullmatch(line)
        assert parts, line
        assert parts[1] == family, "samples stand with their family"
        labels = dict(re.findall(r'([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"', parts[2] or ""))
        key = parts[1].removeprefix("ifs_bi_"), frozenset(labels.items())
        assert key not in found, "no sample stands twice"
        found[key] = float(parts[3])
    return found


def value(found, name, **labels):
    return found[name, frozenset(labels.items())]


@pytest.fixture(scope="module")
def report(week):
    return week.report()


def test_every_number_is_that_of_the_report(report):
    found = parsed(openmetrics(report))
    for one in report.streams:
        place = {"stream": one.stream, "target": one.target}
        assert value(found, "stream_rows", **place) == one.acknowledged
        assert value(found, "stream_dead_rows", **place) == one.dead
        assert value(found, "stream_late", **place) == (one.freshness == "late")
        if one.delivered_at:
            delivered = datetime.fromisoformat(one.delivered_at).timestamp()
            assert value(found, "stream_last_delivery_timestamp_seconds", **place) == delivered
    [ifs] = report.services
    assert value(found, "http_requests", service="ifs") == ifs.requests
    assert value(found, "http_limit_used_ratio", service="ifs") == ifs.limit_used
    assert value(found, "dead_letter_rows", stream="purchase_orders", state="pending") == 1
    assert value(found, "unknown_rows", stream="customers", destination=report.unknown[0].destination) == 7
    told = {dict(labels)["kind"]: count for (name, labels), count in found.items() if name == "findings"}
    counted = Counter(one.kind.value for one in report.findings)
    assert told == {kind.value: counted[kind.value] for kind in Kind}
    assert (told["late"], told["dead letters"], told["failed"]) == (1, 1, 1)


def test_the_last_run_of_a_plugin_is_the_newest_that_is_over(report):
    found = parsed(openmetrics(report))
    assert value(found, "last_run_ok", plugin="tap-ifs-cloud") == 0
    assert value(found, "last_run_ok", plugin="target-powerbi") == 1
    assert ("last_run_ok", frozenset({("plugin", "target-looker-warehouse")})) not in found


def test_names_with_quotes_and_line_ends_are_escaped(report):
    nasty = 'a "b"\\ \n c'
    text = openmetrics(replace(report, streams=(replace(report.streams[0], stream=nasty),)))
    assert value(parsed(text), "stream_late", stream=r"a \"b\"\\ \n c", target=report.streams[0].target) in {0, 1}


def test_a_ledger_without_runs_has_metrics_too(none):
    found = parsed(openmetrics(none.report()))
    assert {name for name, _ in found} == {"report_timestamp_seconds", "findings"}


def test_every_metric_is_told_and_explained(week):
    text = openmetrics(week.report())
    for metric in METRICS:
        assert f"# HELP ifs_bi_{metric.name} {metric.words[:5]}" in text
