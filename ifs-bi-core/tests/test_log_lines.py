"""One event is one line, whatever it tells: nobody forges a line of a log, or repaints a terminal, by a name or an answer."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.redaction import one_line

HOSTILE = [
    "a\nERROR forged",
    "a\r\nb",
    "\x1b[2J\x1b]0;title\x07",
    "\u202eevil\u2066",
    "a\u2028b\u2029c\u0085d",
    "\0\x7f\x9b31m",
    "half \ud800",
    "a\x0bb\x0cc",
]

SPEAKING = """
import json, logging, sys
from ifs_bi_core import logs
from ifs_bi_core.redaction import redact_logs

logging.basicConfig(level=logging.INFO, format="%(message)s")  # as the commands do
logs.set_up("speaking", sys.argv[1] or None, terminal=bool(sys.argv[2]))
redact_logs()
for said in json.loads(sys.argv[3]):
    logging.getLogger("x").warning("The server said %s.", said)
"""


@pytest.mark.parametrize(("choice", "terminal"), [("json", ""), ("text", ""), ("text", "yes"), ("", "yes")])
def test_an_event_is_a_line_in_every_format(choice, terminal):
    command = [sys.executable, "-c", SPEAKING, choice, terminal, json.dumps(HOSTILE)]
    ran = subprocess.run(command, capture_output=True, check=True)
    lines = ran.stderr.decode().splitlines()
    assert len(lines) == len(HOSTILE), lines
    for line, said in zip(lines, HOSTILE, strict=True):
        shown = json.dumps(said)[1:-1]
        told = json.loads(line)["message"] if choice == "json" else line
        assert f"The server said {shown}." in told
        assert line.isprintable()


@given(st.text(st.characters(), max_size=50))
def test_what_is_shown_is_a_line_and_says_what_it_was(text):
    shown = one_line(text)
    assert len(f"{shown}.".splitlines()) == 1
    shown.encode()
    if text.isascii() and text.isprintable():
        assert shown == text
