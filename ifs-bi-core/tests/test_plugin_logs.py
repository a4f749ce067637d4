"""What a plugin's command writes to standard error: as processes, to a pipe and to a terminal."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest

SECRET = 'p"ss\\wörd-22'

PLUGIN = r"""
import logging
import sys

from ifs_bi_core import logs
from ifs_bi_core.errors import IfsBiError
from ifs_bi_core.singer.plugin import Plugin, run
from ifs_bi_core.singer.progress import Progress
from singer_sdk import Stream, Tap


class Lost:
    def __init__(self, said):
        self._said = said

    def __del__(self):
        raise ConnectionError("lost " + self._said)


class Rows(Stream):
    name = "rows"
    schema = {"properties": {"id": {"type": "integer"}}}

    def get_records(self, context):
        progress = Progress(self.name, estimate=2)
        yield {"id": 1}
        yield {"id": 2}
        progress.add(2, 1)
        progress.done()
        secret = self.config["client_secret"]
        Lost(secret)
        logging.getLogger("small").warning("It said %s.", secret, extra={"reply": {"of": [secret]}})
        try:
            raise ValueError("no hunter22, " + secret)
        except ValueError:
            logging.getLogger("small").exception("It broke.")
        if self.config["fail"]:
            raise IfsBiError(f"rows: refused {secret}. Mend it, then run again.")


class Small(Plugin, Tap):
    name = "tap-small"
    config_jsonschema = {
        "properties": {
            "client_secret": {"type": "string", "secret": True},
            "other": {"type": "string", "secret": True},
            "fail": {"type": "boolean", "default": False},
        },
        "required": ["client_secret"],
    }

    def discover_streams(self):
        logs.set_run("run-1")
        return [Rows(self)]


run(Small)
"""

# What Meltano asks of a line before it takes it for a structured one: meltano.core.logging.parsers.SingerSDKLogParser.
MELTANO = {"level", "pid", "logger_name", "ts", "thread_name", "app_name", "message"}


class Small:
    """A plugin with a secret, as a command."""

    def __init__(self, folder) -> None:
        self.folder = folder
        (folder / "small.py").write_text(PLUGIN)
        self.configure()

    def configure(self, **settings) -> None:
        config = {"client_secret": SECRET, "other": "hunter22"} | settings
        (self.folder / "config.json").write_text(json.dumps(config))

    def log_config(self, formatter: dict) -> str:
        """A file as Meltano writes one for each run of a plugin."""
        path = self.folder / "logging.json"
        handler = {"class": "logging.StreamHandler", "formatter": "it", "stream": "ext://sys.stderr"}
        path.write_text(
            json.dumps(
                {
                    "version": 1,
                    "disable_existing_loggers": False,
                    "formatters": {"it": formatter},
                    "handlers": {"console": handler},
                    "root": {"handlers": ["console"], "level": "INFO"},
                }
            )
        )
        return str(path)

    def ran(self, *words: str, stderr: int = subprocess.PIPE, **environ: str) -> tuple[int, str]:
        """The exit code, and what stood on standard error where that is a pipe."""
        ran = subprocess.run(
            [sys.executable, str(self.folder / "small.py"), *(words or ("--config", "config.json"))],
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=self.folder,
            env={**os.environ, **environ},
            timeout=60,
            check=False,
        )
        return ran.returncode, (ran.stderr or b"").decode()


@pytest.fixture
def small(tmp_path):
    return Small(tmp_path)


def objects(text: str) -> list[dict]:
    found = [json.loads(line) for line in text.splitlines()]
    assert all(line.keys() >= MELTANO for line in found)
    assert {line["app_name"] for line in found} == {"tap-small"}
    return found


def holds_no_secret(text: str) -> None:
    for form in (SECRET, json.dumps(SECRET)[1:-1], json.dumps(SECRET, ensure_ascii=False)[1:-1], "hunter22"):
        assert form not in text


def test_what_goes_wrong_while_an_object_is_thrown_away_is_told_to_whoever_asks_alone(small):
    assert "lost" not in small.ran()[1]
    told = small.ran(LOGLEVEL="DEBUG")[1]
    assert "ConnectionError: lost [redacted]" in told
    holds_no_secret(told)


def test_json_is_one_object_a_line_with_the_run_and_no_secret(small):
    small.configure(fail=True)
    code, err = small.ran("--config", "config.json", "--log-format", "json")
    assert code == 1
    holds_no_secret(err)
    lines = {line["message"]: line for line in objects(err)}
    said = lines["It said [redacted]."]
    assert (said["level"], said["extra"]) == ("warning", {"reply": {"of": ["[redacted]"]}, "run": "run-1"})
    broke = lines["It broke."]["exception"]
    assert broke["message"] == "no [redacted], [redacted]"
    assert "no [redacted]" in broke["traceback"][0]["line"]
    done = next(line for message, line in lines.items() if message.startswith("rows: 2 rows in "))
    assert (done["stream_name"], done["extra"]["rows"], done["extra"]["estimate"]) == ("rows", 2, 2)
    assert lines["METRIC"]["metric_info"]["type"] in {"counter", "timer"}
    last = objects(err)[-1]
    assert (last["level"], last["logger_name"], last["extra"]) == ("error", "tap-small", {"run": "run-1"})
    assert last["message"] == "rows: refused [redacted]. Mend it, then run again."
    assert last["ts"] > 0


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--nope"], "No such option '--nope'"),
        (["--config", "absent.json"], "absent.json is not there"),
        (["--config", "small.py"], "small.py is no JSON object"),
        (["--config", "empty.json"], "'client_secret' is a required property"),
        (["--log-format", "yaml"], "'yaml' is not one of 'text', 'json'"),
    ],
)
def test_what_is_wrong_before_there_is_a_plugin_is_json_too(small, words, part):
    (small.folder / "empty.json").write_text("{}")
    code, err = small.ran(*words, IFS_BI_LOG_FORMAT="json")
    (error,) = [line for line in objects(err) if line["level"] == "error"]
    assert code == 2
    assert part in error["message"]


def test_an_environment_that_names_no_format_is_told(small):
    code, err = small.ran(IFS_BI_LOG_FORMAT="yaml")
    assert code == 2
    assert err.count("| ERROR") == 1
    assert "IFS_BI_LOG_FORMAT is 'yaml'" in err


def test_the_option_wins_over_the_environment_and_a_pipe_has_the_sdk_s_lines_with_metrics(small):
    code, err = small.ran("--config", "config.json", "--log-format", "text", IFS_BI_LOG_FORMAT="json")
    assert code == 0
    holds_no_secret(err)
    assert re.search(
        r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \| WARNING  \| small +\| It said \[redacted]\.$", err, re.MULTILINE
    )
    assert "| METRIC: {" in err


@pytest.mark.parametrize("formatter", [{"()": "singer_sdk.logging.StructuredFormatter"}, {"format": "%(message)s"}])
def test_the_format_that_meltano_sets_stands_where_nothing_is_chosen_but_its_secrets_do_not(small, formatter):
    code, err = small.ran(SINGER_SDK_LOG_CONFIG=small.log_config(formatter))
    assert code == 0
    holds_no_secret(err)
    if "()" in formatter:
        assert {"run": "run-1"} in [line["extra"] for line in objects(err)]
    else:
        assert "\nIt said [redacted].\n" in err


def test_what_is_chosen_stands_over_the_format_that_meltano_sets(small):
    config = small.log_config({"format": "%(message)s"})
    code, err = small.ran(SINGER_SDK_LOG_CONFIG=config, IFS_BI_LOG_FORMAT="json")
    assert code == 0
    assert "It broke." in [line["message"] for line in objects(err)]


def test_a_person_at_a_terminal_sees_short_lines_without_metrics(small):
    ours, theirs = pty.openpty()
    code, _ = small.ran(stderr=theirs)
    os.close(theirs)
    shown = read_all(ours)
    assert code == 0
    holds_no_secret(shown)
    assert "METRIC" not in shown
    assert "INFO" not in shown
    assert re.search(r"^\d\d:\d\d:\d\d WARNING It said \[redacted]\.\r$", shown, re.MULTILINE)
    assert re.search(r"^\d\d:\d\d:\d\d rows: 2 rows in \d\.\d s \([\d,.]+ rows/s\), 1 page\r$", shown, re.MULTILINE)


def read_all(handle: int) -> str:
    """What was written to the other end of a terminal; Linux says EIO at the end of it."""
    shown = b""
    try:
        while data := os.read(handle, 65_536):
            shown += data
    except OSError:
        pass
    finally:
        os.close(handle)
    return shown.decode()


@pytest.mark.parametrize("variable", ["LOGLEVEL", "TAP_SMALL_LOGLEVEL"])
def test_a_level_that_is_none_ends_with_one_sentence_and_an_empty_one_is_as_if_it_were_not_set(small, variable):
    code, err = small.ran(**{variable: "loud"})
    assert code == 2
    assert err == (
        f"The environment variable {variable} is 'loud', which is no level. Set it to DEBUG, INFO, WARNING or ERROR, or leave "
        "it out.\n"
    )
    code, err = small.ran(**{variable: ""})
    assert code == 0, err
    assert "INFO" in err
    assert "DEBUG" not in err


def test_a_plugins_own_level_goes_before_that_of_all(small):
    code, err = small.ran(LOGLEVEL="loud", TAP_SMALL_LOGLEVEL="error")
    assert code == 0, err
    assert "WARNING" not in err
