"""The command ``ifs-bi``: verbs of installed packages, exit codes and sentences."""

import json
import subprocess
import sys
from importlib.metadata import EntryPoint

import click
import pytest
from ifs_bi_core import cli
from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError
from ifs_bi_core.redaction import REDACTOR


@click.command()
@click.option(
    "--end", type=click.Choice(["well", "dead", "wrong", "failed", "bug", "stop", "said", "abort"]), default="well"
)
def fine(end: str) -> int:
    """Ends as it is told."""
    match end:
        case "dead":
            return ExitCode.DEAD_LETTERS
        case "wrong":
            raise ConfigError("The setting is wrong, hunter22.")
        case "failed":
            raise IfsBiError("It failed.")
        case "bug":
            raise ZeroDivisionError("oh")
        case "stop":
            raise SystemExit(1)
        case "said":
            raise SystemExit("Stopped by a signal.")
        case "abort":
            raise click.Abort
    return ExitCode.DONE


no_command = "text"


class Point(EntryPoint):
    """An entry point of a package that is not installed."""

    dist = property(lambda self: type("Package", (), {"name": self.group}))


@pytest.fixture
def verbs(monkeypatch):
    """Some verbs, of which two can't be loaded. An entry point's group stands for its package here."""
    monkeypatch.setattr(cli, "fine", fine, raising=False)
    monkeypatch.setattr(cli, "no_command", no_command, raising=False)
    found = [
        Point("fine", "ifs_bi_core.cli:fine", "some-plugin"),
        Point("broken", "no_such_package.at_all:verb", "a-plugin"),
        Point("text", "ifs_bi_core.cli:no_command", "a-plugin"),
        Point("vault", "no_such_package.at_all:vault", "a-plugin"),
        Point("vault", "ifs_bi_core.vault.command:vault", "ifs-bi-core"),
        Point("vault", "no_such_package.at_all:vault", "z-plugin"),
    ]
    monkeypatch.setattr(cli, "entry_points", lambda **_: found)


def ended(capsys, caplog, *words):
    with pytest.raises(SystemExit) as stop:
        cli.main(list(words))
    printed = capsys.readouterr()
    return stop.value.code, printed.out, printed.err + "".join(f"{record.getMessage()}\n" for record in caplog.records)


@pytest.mark.parametrize(
    ("end", "code", "sentence"),
    [
        ("well", 0, ""),
        ("dead", 3, ""),
        ("wrong", 2, "The setting is wrong, [redacted].\n"),
        ("failed", 1, "It failed.\n"),
        ("stop", 1, ""),
        ("said", 1, "Stopped by a signal.\n"),
        ("abort", 1, "ifs-bi was interrupted. Run it again.\n"),
        ("bug", 1, "ifs-bi met something it was not made for, ZeroDivisionError: oh."),
    ],
)
def test_a_verb_ends_with_its_exit_code_and_one_sentence(verbs, capsys, caplog, end, code, sentence):
    REDACTOR.register("hunter22")
    got, out, err = ended(capsys, caplog, "fine", "--end", end)
    assert (got, out) == (code, "")
    assert err.startswith(sentence)
    assert err.count("\n") == bool(sentence)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nonsense"], "No such command 'nonsense'. See ifs-bi --help.\n"),
        (["fine", "--nonsense"], "No such option '--nonsense'. See ifs-bi --help.\n"),
        (
            ["broken"],
            "'ifs-bi broken' can't be loaded from a-plugin: ModuleNotFoundError: No module named 'no_such_package'.",
        ),
        (["broken", "--json", "x"], "'ifs-bi broken' can't be loaded from a-plugin"),
        (["text"], "'ifs-bi text' can't be loaded from a-plugin: ifs_bi_core.cli:no_command is no click command."),
    ],
)
def test_what_is_typed_wrongly_or_can_not_be_loaded_ends_with_2(verbs, capsys, caplog, words, sentence):
    code, out, err = ended(capsys, caplog, *words)
    assert (code, out) == (2, "")
    assert err.startswith(sentence)
    assert err.count("\n") == 1


def test_help_lists_every_verb_also_beside_broken_ones(verbs, capsys, caplog):
    code, out, err = ended(capsys, caplog, "--help")
    assert (code, err) == (0, "")
    for line in (
        "broken  Can't be loaded: ModuleNotFoundError",
        "fine    Ends as it is told.",
        "vault   Sealed secrets",
    ):
        assert line in out


def test_without_a_verb_the_help_is_shown_and_it_ends_with_2(verbs, capsys, caplog):
    code, out, err = ended(capsys, caplog)
    assert (code, out) == (2, "")
    assert "vault   Sealed secrets" in err


def test_of_two_verbs_with_one_name_the_core_s_own_stands(verbs, capsys, caplog):
    code, out, _ = ended(capsys, caplog, "vault", "--help")
    assert code == 0
    assert "rotate" in out


def test_an_unknown_level_of_logs_is_no_obstacle(verbs, capsys, caplog, monkeypatch):
    monkeypatch.setenv("LOGLEVEL", "chatty")
    assert ended(capsys, caplog, "fine")[0] == 0


LAZY = """
import sys
from ifs_bi_core import cli
from importlib.metadata import EntryPoint

cli.entry_points = lambda **_: [
    EntryPoint("vault", "ifs_bi_core.vault.command:vault", cli.VERBS),
    EntryPoint("ledger", "ifs_bi_core.ledger.command:ledger", cli.VERBS),
]
try:
    cli.main(["vault", "list", "--state-dir", sys.argv[1]])
finally:
    print(*(name for name in ("ifs_bi_core.vault.command", "ifs_bi_core.ledger", "singer_sdk") if name in sys.modules))
"""


def test_a_verb_waits_for_no_other_verb_to_load(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", LAZY, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stdout.splitlines()[-1] == "ifs_bi_core.vault.command"


def test_the_final_sentence_is_json_where_that_is_asked_for():
    program = "from ifs_bi_core.cli import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", program, "--log-format", "json", "nonsense"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = json.loads(ran.stderr)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert (said["level"], said["app_name"], said["ts"] > 0) == ("error", "ifs-bi", True)
    assert said["message"] == "No such command 'nonsense'. See ifs-bi --help."


def test_an_environment_that_names_no_format_of_logs_ends_with_2(verbs, capsys, caplog, monkeypatch):
    monkeypatch.setenv("IFS_BI_LOG_FORMAT", "yaml")
    code, out, err = ended(capsys, caplog, "fine")
    assert (code, out) == (2, "")
    assert err.startswith("The environment variable IFS_BI_LOG_FORMAT is 'yaml'.")
