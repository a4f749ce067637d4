"""Which format is chosen, and that no format shows a secret."""

import json
import logging
import sys
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core import logs
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import Redactor
from singer_sdk.logging import ConsoleFormatter, StructuredFormatter


@pytest.mark.parametrize(
    ("words", "variable", "choice"),
    [
        ([], None, None),
        ([], "", None),
        ([], "json", "json"),
        (["--log-format", "json"], None, "json"),
        (["--log-format=json", "--config", "x"], None, "json"),
        (["--log-format", "text"], "json", "text"),
        (["--log-format", "json", "--log-format", "text"], None, "text"),
        (["--log-format", "text"], "nonsense", "text"),
        (["--log-format"], "json", "json"),
        (["--log-format", "nonsense"], "json", "json"),
        (["--", "--log-format", "json"], None, None),
        (["--log-formats=json"], None, None),
    ],
)
def test_the_option_wins_over_the_environment_and_nonsense_is_left_to_click(words, variable, choice):
    assert logs.chosen(words, {} if variable is None else {logs.VARIABLE: variable}) == choice


def test_an_environment_that_names_no_format_is_a_wrong_setting():
    with pytest.raises(ConfigError, match=r"IFS_BI_LOG_FORMAT is 'yaml'\. Set it to text or json"):
        logs.chosen([], {logs.VARIABLE: "yaml"})


@pytest.mark.parametrize(
    ("choice", "terminal", "configured", "kind"),
    [
        ("json", False, False, StructuredFormatter),
        ("json", True, True, StructuredFormatter),
        ("text", True, False, logs._Brief),
        ("text", True, True, logs._Brief),
        ("text", False, True, ConsoleFormatter),
        ("text", False, False, None),
        (None, True, False, logs._Brief),
        (None, True, True, None),
        (None, False, True, None),
        (None, False, False, None),
    ],
)
def test_what_is_chosen_decides_then_who_configured_then_who_looks_on(choice, terminal, configured, kind):
    formatter = logs._formatter(choice, terminal=terminal, configured=configured)
    assert (None if formatter is None else type(formatter)) is kind


@contextmanager
def root_logger(*handlers: logging.Handler):
    """The root logger with these handlers alone (pytest has its own), in a process of which nothing is known."""
    root = logging.getLogger()
    level = root.level
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(root, "handlers", list(handlers))
        patch.setattr(logs, "_fields", {})
        root.setLevel(logging.INFO)
        try:
            yield root
        finally:
            root.setLevel(level)


def test_only_what_writes_to_standard_error_gets_the_format(tmp_path):
    spoken, written = logging.StreamHandler(sys.stderr), logging.FileHandler(tmp_path / "log")
    kept = logging.Formatter("%(message)s")
    written.setFormatter(kept)
    with root_logger(spoken, written) as root:
        logs.set_up("x", "json")
        logs.set_up("x", "json")
        assert root.handlers == [spoken, written]
    assert isinstance(spoken.formatter._inner, StructuredFormatter)
    assert written.formatter._inner is kept
    written.close()


def test_where_nothing_writes_to_standard_error_json_makes_a_handler(capsys):
    with root_logger() as root:
        logs.set_up("x", "json")
        root.warning("loud")
    assert json.loads(capsys.readouterr().err)["message"] == "loud"


def test_the_run_is_told_from_the_moment_that_it_is_known(capsys):
    with root_logger() as root:
        logs.set_up("tap-x", "json")
        root.warning("before")
        logs.set_run("r-1")
        root.warning("after", extra={"rows": 3})
    before, after = map(json.loads, capsys.readouterr().err.splitlines())
    assert (before["app_name"], before["extra"]) == ("tap-x", {})
    assert (after["app_name"], after["extra"]) == ("tap-x", {"run": "r-1", "rows": 3})


def test_a_short_line_has_its_time_its_level_unless_it_is_info_and_no_metrics(capsys):
    with root_logger(logging.StreamHandler(sys.stderr)) as root:
        logs.set_up("x", None, terminal=True)
        for level in (logging.INFO, logging.WARNING):
            root.log(level, "said")
        logging.getLogger("singer_sdk.metrics").warning("METRIC: %s", "{}")
    first, second = capsys.readouterr().err.splitlines()
    assert (first[2], first[5], first[8:]) == (":", ":", " said")
    assert second[8:] == " WARNING said"


def record(message: str, *args, extra=None, exc_info=None) -> logging.LogRecord:
    made = logging.LogRecord("x", logging.INFO, "x.py", 1, message, args, exc_info)
    made.__dict__.update(extra or {})
    return made


def failure(secret: str):
    try:
        try:
            raise ValueError(secret)
        except ValueError as error:
            raise TypeError(f"again {secret}") from error
    except TypeError:
        return sys.exc_info()


def texts(value) -> list[str]:
    """Every text inside a JSON value, names included."""
    if isinstance(value, dict):
        return [text for name, inner in value.items() for text in (name, *texts(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


@given(secret=st.text(min_size=4, max_size=30), around=st.text(max_size=5))
def test_json_stays_json_and_holds_no_secret_wherever_it_stood(secret, around):
    redactor = Redactor()
    redactor.register(secret)
    told = around + secret + around
    extra = {"rows": {"deep": [told, {told: 1}]}, "reply": told, "number": 12.5}
    formatter = logs.RedactingFormatter(StructuredFormatter(), redactor)
    line = formatter.format(record("it said %s", told, extra=extra, exc_info=failure(told)))
    assert "\n" not in line
    data = json.loads(line)
    assert data["extra"]["number"] == 12.5
    # A word of the format itself, such as "message", may be somebody's secret.
    formed = set(texts(json.loads(StructuredFormatter().format(record("it said %s", "", exc_info=failure(""))))))
    assert not [text for text in texts(data) if secret in text.replace("[redacted]", "") and text not in formed]


def test_digits_that_are_a_secret_do_not_break_the_numbers_of_a_line():
    redactor = Redactor()
    made = record("said")
    redactor.register(str(made.process))
    data = json.loads(logs.RedactingFormatter(StructuredFormatter(), redactor).format(made))
    assert data["pid"] == made.process


def test_a_field_that_is_called_like_a_secret_is_one():
    line = logs.RedactingFormatter(StructuredFormatter(), Redactor()).format(
        record("said", extra={"reply": {"access_token": "opaque", "expires_in": 60}})
    )
    assert json.loads(line)["extra"]["reply"] == {"access_token": "[redacted]", "expires_in": 60}


def test_text_loses_its_secrets_too_also_in_a_traceback():
    redactor = Redactor()
    redactor.register("hunter22")
    line = logs.RedactingFormatter(logging.Formatter(), redactor).format(
        record("{%s", "hunter22", exc_info=failure("hunter22"))
    )
    assert "hunter22" not in line
    assert line.startswith("{[redacted]\nTraceback")
