"""Notices: when they are sent, what is in them, and how they are delivered."""

import json
import re
import shutil
import threading
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_string, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from socket import create_server

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.ledger.journal import instant
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.report.command import report as command
from ifs_bi_core.report.figures import Finding, Kind, Report
from ifs_bi_core.report.notices import REMINDER_SECONDS, notice
from ifs_bi_core.report.notify import MARK, Mail, mail, notify, webhook

BEGIN = datetime.fromisoformat("2026-11-23T00:00:00Z")
HOUR = 3600.0


def report(*findings, after=0.0):
    """A report so many seconds after the beginning."""
    return Report(instant(BEGIN + timedelta(seconds=after)), "ledger", 1, findings, (), (), (), (), ())


def finding(subject="orders", kind=Kind.LATE, rows=None):
    return Finding(kind, subject, f"A sentence about {subject}.", "ifs-bi ledger runs", rows)


def due(found, last=None, every=HOUR):
    return notice(found, last, at_most_every_seconds=every, host="etl")


def test_nothing_is_told_as_long_as_all_is_well():
    assert due(report()) is None


def test_a_finding_is_told_once_a_day():
    first = due(report(finding()))
    assert first.body["status"] == "attention"
    assert due(report(finding(), after=2 * HOUR), first.mark) is None
    assert due(report(finding(), after=REMINDER_SECONDS), first.mark) is not None


def test_another_finding_is_told_at_once_but_for_the_shortest_time_between_notices():
    first = due(report(finding()))
    assert due(report(finding(), finding("gl"), after=HOUR - 1), first.mark) is None
    assert due(report(finding(), finding("gl"), after=HOUR), first.mark).body["findings_total"] == 2


def test_more_dead_rows_are_another_finding():
    first = due(report(finding(kind=Kind.DEAD_LETTERS, rows=3)))
    assert due(report(finding(kind=Kind.DEAD_LETTERS, rows=4), after=HOUR), first.mark) is not None


def test_the_end_of_all_findings_is_told_once():
    first = due(report(finding()))
    end = due(report(after=HOUR), first.mark)
    assert (end.body["status"], end.body["findings"]) == ("fine", [])
    assert due(report(after=99 * HOUR), end.mark) is None


def test_a_clock_that_was_set_back_silences_nothing():
    first = due(report(finding(), after=1e6))
    assert due(report(finding()), first.mark) is not None


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(1, 1e5), st.sets(st.sampled_from(["a", "b", "c"]))), max_size=30))
def test_two_notices_are_never_closer_than_allowed_and_the_last_word_is_told_in_the_end(steps):
    now, last, told = 0.0, None, []
    for wait, subjects in [*steps, (2 * REMINDER_SECONDS, steps[-1][1] if steps else set())]:
        now += wait
        found = report(*map(finding, sorted(subjects)), after=now)
        sent = due(found, last)
        if sent:
            last = sent.mark
            told.append((now, {one["subject"] for one in sent.body["findings"]}))
    assert all(later - earlier >= HOUR - 1e-3 for (earlier, _), (later, _) in pairwise(told))
    assert (told[-1][1] if told else set()) == subjects


def test_a_notice_holds_no_sentence_no_reason_and_no_value(week):
    sent = due(week.report())
    said = json.dumps(sent.body) + sent.text
    for words in ("KEY-OF", "VALUE OF", "too long", "dataset", week.report().findings[0].sentence):
        assert words not in said
    assert "gl_accounts" in said


def test_many_findings_make_no_long_notice():
    sent = due(report(*(finding(f"stream {n}") for n in range(500))))
    assert len(json.dumps(sent.body)) < 10_000
    assert "and 480 more" in sent.text
    assert sent.body["findings_total"] == 500


class Hook(BaseHTTPRequestHandler):
    """Takes what is posted."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@contextmanager
def hook(status=200):
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.got, server.status = [], status
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}/hooks/a-secret-path?sig=secret"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sent(found, state_dir, *ways):
    return notify(found, state_dir, ways, at_most_every_seconds=HOUR, host="etl")


def test_a_notice_is_posted_as_json_and_not_again(tmp_path):
    with hook() as (server, url):
        assert sent(report(finding()), tmp_path, webhook(url)) is not None
        assert sent(report(finding(), after=2 * HOUR), tmp_path, webhook(url)) is None
        [(path, kind, body)] = server.got
    assert (path, kind) == ("/hooks/a-secret-path?sig=secret", "application/json")
    assert body["findings"] == [{"kind": "late", "subject": "orders", "rows": None}]
    assert body["text"].startswith("ifs-bi on etl: 1 thing to look at")
    assert (tmp_path / MARK).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_notice_that_nobody_took_is_sent_again_by_the_next_run(tmp_path, status):
    with hook(status) as (server, url):
        for _ in range(2):
            with pytest.raises(IfsBiError, match=f"answered {status}") as error:
                sent(report(finding()), tmp_path, webhook(url))
            assert "secret" not in str(error.value)
        assert len(server.got) == 2


def test_a_webhook_that_is_not_there_is_told_without_its_address(tmp_path):
    with closing(create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with pytest.raises(IfsBiError, match="can't be reached") as error:
        sent(report(finding()), tmp_path, webhook(f"http://127.0.0.1:{port}/a-secret-path"))
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["http://hooks.example.com/x", "ftp://127.0.0.1/x", "hooks", "https://[", "", "https:///x"]
)
def test_a_webhook_that_is_no_https_address_is_a_wrong_configuration(url):
    with pytest.raises(ConfigError, match="https"):
        webhook(url)


def test_the_address_of_a_webhook_is_a_secret():
    webhook("https://hooks.example.com/services/T0/B0/abcdef?sig=xyzxyz")
    assert "abcdef" not in REDACTOR.redact("POST https://hooks.example.com/services/T0/B0/abcdef?sig=xyzxyz failed")


class MailServer(threading.Thread):
    """As much of SMTP as a client needs that hands in one mail after the other."""

    def __init__(self, *, refuses=False, offers="AUTH PLAIN"):
        super().__init__(daemon=True)
        self.refuses, self.offers, self.mails, self.said = refuses, offers, [], []
        self.listener = create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rw", encoding="utf-8", newline="\r\n") as lines:
                self._talk(lines)

    def _talk(self, lines):
        def say(words):
            lines.write(f"{words}\n")
            lines.flush()

        say("220 here")
        for line in lines:
            self.said.append(line.rstrip())
            verb = line[:4].upper().strip()
            if verb == "EHLO":
                say(f"250-here\n250 {self.offers}")
            elif verb == "STAR":
                say("454 not now")
            elif verb == "AUTH":
                say("535 no" if self.refuses else "235 yes")
            elif verb == "DATA":
                say("354 go on")
                self.mails.append(self._body(lines))
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 yes")

    @staticmethod
    def _body(lines):
        body = []
        while (line := lines.readline()).rstrip("\r\n") != ".":
            body.append(line)
        return "".join(body)


@contextmanager
def mail_server(**options):
    server = MailServer(**options)
    server.start()
    try:
        yield server
    finally:
        server.listener.close()


def to(server, **changes):
    address = Mail(f"smtp://user:p%40ssword-of-mail@127.0.0.1:{server.port}", "ifs-bi@example.com", ["ops@example.com"])
    return mail(replace(address, **changes))


def test_a_notice_is_mailed(tmp_path):
    with mail_server() as server:
        assert sent(report(finding()), tmp_path, to(server)) is not None
        [text] = server.mails
    letter = message_from_string(text, policy=policy.default)
    assert letter["Subject"] == "ifs-bi on etl: 1 thing to look at"
    assert (letter["From"], letter["To"]) == ("ifs-bi@example.com", "ops@example.com")
    assert "- late: orders" in letter.get_content()
    assert any(line.startswith("AUTH PLAIN") for line in server.said)


def test_a_mail_server_that_refuses_is_told_without_the_password(tmp_path):
    with mail_server(refuses=True) as server, pytest.raises(IfsBiError, match="did not take the notice") as error:
        sent(report(finding()), tmp_path, to(server))
    assert "p@ssword" not in str(error.value)
    assert "p@ssword-of-mail" not in REDACTOR.redact("p@ssword-of-mail")


def test_a_server_that_does_not_begin_tls_gets_no_password(tmp_path):
    with mail_server(offers="STARTTLS") as server, pytest.raises(IfsBiError, match="did not take the notice"):
        sent(report(finding()), tmp_path, to(server))
    assert server.said[1:2] == ["STARTTLS"]
    assert not [line for line in server.said if line.startswith(("AUTH", "MAIL"))]


@pytest.mark.parametrize(
    "changes",
    [{"url": "http://mail"}, {"url": "smtp://"}, {"url": "smtp://h:port"}, {"sender": "nobody"}, {"recipients": ()}],
)
def test_a_mail_that_can_go_nowhere_is_a_wrong_configuration(changes):
    with pytest.raises(ConfigError, match=r"Write smtp|--mail-to"):
        mail(replace(Mail("smtp://mail.example.com", "a@example.com", ["b@example.com"]), **changes))


def test_one_way_that_is_broken_does_not_make_the_other_repeat_itself(tmp_path):
    with hook() as (good, url), hook(500) as (bad, broken):
        for _ in range(3):
            with nullcontext() if good.got else pytest.raises(IfsBiError):
                sent(report(finding()), tmp_path, webhook(broken), webhook(url))
        assert (len(good.got), len(bad.got)) == (1, 1)


def test_a_damaged_mark_is_no_mark(tmp_path):
    (tmp_path / MARK).write_text('{"at": "yesterday", "about"')
    with hook() as (server, url):
        assert sent(report(finding()), tmp_path, webhook(url)) is not None
        assert sent(report(finding()), tmp_path, webhook(url)) is None
        assert len(server.got) == 1


def test_the_command_tells_once_and_takes_the_address_from_the_environment(week, tmp_path, monkeypatch):
    shutil.copytree(week.state_dir, tmp_path / "state")
    arguments = ["--notify", "--webhook", "env:OPS_WEBHOOK", "--every", "1h", "--state-dir", str(tmp_path / "state")]
    with hook() as (server, url):
        monkeypatch.setenv("OPS_WEBHOOK", url)
        said = [CliRunner().invoke(command, arguments, catch_exceptions=False).output for _ in range(2)]
        [(_, _, body)] = server.got
    assert re.fullmatch(r"ifs-bi on \S+: \d+ things to look at\n", said[0])
    assert said[1] == "There is nothing new to tell.\n"
    assert {one["kind"] for one in body["findings"]} >= {"late", "dead letters", "failed"}
    assert "VALUE OF" not in json.dumps(body)
