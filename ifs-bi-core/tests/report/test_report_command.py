"""`ifs-bi report` as people, monitors and schedulers call it."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from click.testing import CliRunner
from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.report.command import report as command

READY = 60


@pytest.fixture
def ask(week, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def asked(*arguments, state_dir=week.state_dir):
        result = CliRunner().invoke(command, [*arguments, "--state-dir", str(state_dir)])
        if isinstance(result.exception, IfsBiError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return asked


def test_a_page_is_written_and_the_verdict_is_said(ask, tmp_path):
    assert re.fullmatch(r"ifs-bi-report\.html: \d+ things need you\.\n", ask())
    text = (tmp_path / "ifs-bi-report.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert [path.name for path in tmp_path.iterdir()] == ["ifs-bi-report.html"]


def test_of_a_ledger_without_runs_nobody_says_that_all_is_well(ask, none):
    assert ask(state_dir=none.state_dir) == "ifs-bi-report.html: nothing has run yet.\n"


def test_every_form_goes_where_it_is_asked_to(ask, tmp_path):
    assert json.loads(ask("--json"))["runs_known"] == 9
    assert ask("--openmetrics").endswith("# EOF\n")
    assert ask("--output", "-").startswith("<!DOCTYPE html>")
    assert ask("--openmetrics", "--output", "ifs_bi.prom") == ""
    assert (tmp_path / "ifs_bi.prom").read_text().endswith("# EOF\n")


def test_runs_schedules_and_limits_are_taken_from_the_command_line(ask):
    said = json.loads(ask("--json", "--runs", "2", "--every", "400w", "--every", "suppliers=1m", "--limit", "ifs=1"))
    assert [run["run"] for run in said["runs"]] == ["killed", "failed"]
    late = {one["stream"] for one in said["streams"] if one["freshness"] == "late"}
    assert late == {"suppliers"}
    assert said["services"][0]["limit_per_minute"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--json", "--openmetrics"), "Give one of"),
        (("--every", "soon"), "--every soon gives no time"),
        (("--limit", "ifs"), "no SERVICE=N"),
        (("--limit", "ifs=0"), "no SERVICE=N"),
        (("--notify",), "needs somebody to tell"),
        (("--notify", "--webhook", "env:NOT_SET"), "NOT_SET, which is not set"),
        (("--notify", "--webhook", "https://h/x", "--at-most-every", "1"), "--at-most-every gives no time"),
    ],
)
def test_a_wrong_option_is_a_wrong_configuration(ask, arguments, words):
    with pytest.raises(ConfigError, match=words):
        ask(*arguments)


def test_a_folder_without_a_ledger_is_a_wrong_configuration(ask, tmp_path):
    with pytest.raises(ConfigError, match="There is no ledger"):
        ask(state_dir=tmp_path)


def test_a_page_that_can_not_be_written_is_told(ask):
    with pytest.raises(IfsBiError, match=r"nowhere/page\.html can't be written"):
        ask("--output", "nowhere/page.html")


def test_the_verb_says_what_it_is_for():
    said = CliRunner().invoke(command, ["--help"]).output
    assert "--openmetrics" in said
    assert max(map(len, said.splitlines())) <= 80


@pytest.fixture
def served(week):
    """The address of a running server, which is interrupted as people do it."""
    code = "from ifs_bi_core.report.command import report; report()"
    arguments = [sys.executable, "-c", code, "--serve", "--port", "0", "--state-dir", str(week.state_dir)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
            process.send_signal(signal.SIGINT)
            assert "Stopped." in process.stdout.read()
            assert process.wait(READY) == 0
        finally:
            process.kill()


def fetched(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=READY) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def test_the_page_the_json_and_the_metrics_are_served_on_loopback_alone(served):
    status, headers, text = fetched(served)
    assert (status, text[:15]) == (200, "<!DOCTYPE html>")
    assert headers["Refresh"] == "60"
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert json.loads(fetched(f"{served}report.json")[2])["runs_known"] == 9
    status, headers, text = fetched(f"{served}metrics")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")
    assert fetched(f"{served}else")[0] == 404
    for elsewhere in ("evil.example.com", "127.0.0.1.evil.example.com", "[::1", ""):
        assert fetched(served, Host=elsewhere)[0] == 421
    assert fetched(served, Host="localhost:1")[0] == 200
