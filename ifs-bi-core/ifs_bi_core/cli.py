"""The command ``ifs-bi``. Its verbs are the entry points of the group ``ifs_bi.commands``, so that the core imports no plugin.

An entry point's name is the verb, and what it names is a `click.Command` or `click.Group`. A verb ends as every command of the
project does (`ifs_bi_core.process`): it raises an `IfsBiError`, or returns an exit code.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

import click

from ifs_bi_core import logs
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.process import exit_code
from ifs_bi_core.redaction import redact_logs

VERBS = "ifs_bi.commands"
"""The group of entry points."""

_CORE = "ifs-bi-core"


class Verbs(click.Group):
    """A group whose commands are the installed entry points. One that can't be loaded says so when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs of all installed packages, sorted."""
        del ctx
        return sorted(_installed())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, or one in its place that tells why it can't be had; None when no package brings it."""
        del ctx
        found = _installed().get(cmd_name)
        if found is None:
            return None
        try:
            command = found.load()
        except Exception as error:  # noqa: BLE001 - importing a package may raise anything, and the other verbs must work
            return _unavailable(cmd_name, found, f"{type(error).__name__}: {error}")
        if not isinstance(command, click.Command):
            return _unavailable(cmd_name, found, f"{found.value} is no click command")
        return command


def _installed() -> dict[str, EntryPoint]:
    """The entry point of each verb. Of two with one name the core's stands, else that of the package first in the alphabet."""
    found = sorted(
        entry_points(group=VERBS), key=lambda point: (_package(point) != _CORE, _package(point)), reverse=True
    )
    return {point.name: point for point in found}


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else ""


def _unavailable(verb: str, point: EntryPoint, reason: str) -> click.Command:
    """A command of that name that only tells the reason, whatever it is given."""
    sentence = (
        f"'ifs-bi {verb}' can't be loaded from {_package(point) or point.value}: {reason}. "
        f"Install that package again; the other verbs are not affected."
    )

    def tell() -> NoReturn:
        raise ConfigError(sentence)

    return click.Command(
        verb,
        callback=tell,
        help=sentence,
        short_help=f"Can't be loaded: {reason}.",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


@click.group(
    cls=Verbs,
    params=[logs.option()],
    epilog="Exit codes: 0 done, 1 failed, 2 wrong configuration, 3 rows went to the dead-letter store.",
)
def ifs_bi() -> None:
    """Secrets, the account of every row, dead letters and checks for tap-ifs-cloud and its targets."""


def main(args: list[str] | None = None) -> NoReturn:
    """Be the command ``ifs-bi`` and end the process with the verb's exit code."""
    level = os.environ.get("LOGLEVEL", "").upper()
    logging.basicConfig(level=logging.getLevelNamesMapping().get(level, logging.WARNING), format="%(message)s")
    redact_logs()
    sys.exit(
        exit_code(
            "ifs-bi",
            lambda: _command(args),
            again="Run it again.",
            unfinished="What it printed before is done, the rest is not.",
        )
    )


def _command(args: list[str] | None) -> Any:
    logs.set_up("ifs-bi", logs.chosen(sys.argv[1:] if args is None else args, os.environ))
    return ifs_bi.main(args=args, prog_name="ifs-bi", standalone_mode=False)
