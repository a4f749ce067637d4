"""``ifs-bi ping``: whether the configured systems can be worked with, before a run finds out.

A package that speaks to a system brings its checks by an entry point of the group ``ifs_bi.pings``: its name is the plugin's
(``tap-ifs-cloud``), and what it names is a `Ping`.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import click

from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError
from ifs_bi_core.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ifs_bi_core.singer.plugin import Plugin

PINGS = "ifs_bi.pings"
"""The group of entry points."""


class Status(StrEnum):
    """What came of a check."""

    FINE = "fine"
    NOTICE = "notice"
    """Nothing stands in the way of a run, but somebody should know."""
    FAILED = "failed"


_MARKS = {Status.FINE: "✓", Status.NOTICE: "!", Status.FAILED: "✗"}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: a word or two: ``token``.
        sentence: what was found; where that is not fine, who should do what.
        status: fine, notice or failed.
        exit_code: what the command ends with on account of it.
        found: the facts behind the sentence, as JSON has them.
    """

    name: str
    sentence: str
    status: Status = Status.FINE
    exit_code: ExitCode = ExitCode.DONE
    found: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def failed(cls, name: str, error: IfsBiError) -> Check:
        """A check that an error ended."""
        return cls(name, str(error), Status.FAILED, error.exit_code)


@dataclass(frozen=True)
class Ping:
    """The checks of one plugin's system.

    Attributes:
        system: its name for people: ``IFS Cloud``.
        plugin: gives the plugin whose settings lead to the system; called when it is needed, since importing one takes time.
        checks: given those settings, makes one check after the other; raises nothing but what no check foresees.
    """

    system: str
    plugin: Callable[[], type[Plugin]]
    checks: Callable[[Mapping[str, Any]], Iterator[Check]]


@click.command("ping")
@click.argument("plugins", nargs=-1, metavar="[PLUGIN]...")
@click.option(
    "--config",
    "sources",
    multiple=True,
    metavar="[PLUGIN=]FILE",
    help="A plugin's configuration file, or ENV for its environment variables; may be given again.  [default: ENV]",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON list with one object a check.")
def ping(plugins: tuple[str, ...], sources: tuple[str, ...], *, as_json: bool) -> ExitCode:
    """Check the systems that plugins are configured for.

    Tells of sign-in, of one cheap read, and what an administrator has to do. Without PLUGIN: all that have a --config or
    environment variables.

    \b
        ifs-bi ping tap-ifs-cloud --config tap.json
        ifs-bi ping --config tap-ifs-cloud=tap.json --config target-powerbi=ENV
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    installed = {point.name: point for point in entry_points(group=PINGS)}
    told = []
    worst = ExitCode.DONE
    for plugin, configured_by in assigned(sorted(installed), plugins, sources, os.environ).items():
        system, checks = _checks(installed[plugin], configured_by)
        if not as_json:
            click.echo(f"{system} ({plugin})")
        for check in checks:
            sentence = REDACTOR.redact(check.sentence)
            worst = max(worst, check.exit_code)
            if not as_json:
                click.echo(f"  {_MARKS[check.status]} {check.name}: {sentence}")
            told.append({"plugin": plugin, "system": system} | asdict(check) | {"sentence": sentence})
    if as_json:
        click.echo(json.dumps(told))
    return worst


def assigned(
    installed: Sequence[str], asked_for: Sequence[str], sources: Sequence[str], environ: Mapping[str, str]
) -> dict[str, list[str]]:
    """Which plugins are pinged, and with what ``--config`` each.

    Args:
        installed: the plugins that have a ping.
        asked_for: those that the command line names; none: those that are configured.
        sources: ``FILE``, ``ENV``, or the same behind ``PLUGIN=``.
        environ: the environment; a variable of a plugin's prefix configures it.

    Raises:
        ConfigError: a plugin has no ping, it isn't clear whose a file is, or nothing is configured.
    """
    unknown = [name for name in asked_for if name not in installed]
    if unknown:
        raise ConfigError(
            f"There is no ping of {', '.join(unknown)}. There is one of {', '.join(installed) or 'nothing'}."
        )
    given: dict[str, list[str]] = {}
    for source in sources:
        name, is_named, rest = source.partition("=")
        if is_named and name in installed:
            given.setdefault(name, []).append(rest)
            continue
        owners = list(asked_for) or installed
        if len(owners) != 1:
            raise ConfigError(
                f"--config {source} doesn't say whose it is. Write --config PLUGIN={source}, "
                f"where PLUGIN is one of {', '.join(owners) or 'none, since nothing that can be pinged is installed'}."
            )
        given.setdefault(owners[0], []).append(source)
    astray = [name for name in given if asked_for and name not in asked_for]
    if astray:
        raise ConfigError(f"--config is given for {', '.join(astray)}, which is not among {', '.join(asked_for)}.")
    wanted = asked_for or given or [name for name in installed if _is_in(environ, name)]
    if not wanted:
        raise ConfigError(
            f"Nothing is configured. Name a plugin and its settings: ifs-bi ping PLUGIN --config FILE, "
            f"where PLUGIN is one of {', '.join(installed) or 'none, since nothing that can be pinged is installed'}."
        )
    return {name: given.get(name, ["ENV"]) for name in wanted}


def _is_in(environ: Mapping[str, str], plugin: str) -> bool:
    prefix = plugin.upper().replace("-", "_")
    return any(name.startswith(f"{prefix}_") and not name.endswith("_LOGLEVEL") for name in environ)


def _checks(point: EntryPoint, sources: Sequence[str]) -> tuple[str, Iterator[Check]]:
    """The system's name and its checks; what is wrong before the first one is a check too."""
    # Here and not above: the list of verbs needn't wait for the SDK to load.
    from ifs_bi_core.singer.configuration import settings_of  # noqa: PLC0415 - the reason is the line above

    try:
        found = point.load()
    except Exception as error:  # noqa: BLE001 - importing a package may raise anything, and the other systems must be checked
        sentence = f"Its checks can't be loaded ({type(error).__name__}: {error}). Install the package again."
        return point.name, iter([Check("installation", sentence, Status.FAILED, ExitCode.FAILED)])
    if not isinstance(found, Ping):
        raise TypeError(f"{point.value} is no Ping")
    try:
        return found.system, found.checks(settings_of(found.plugin(), sources))
    except ConfigError as error:
        return found.system, iter([Check.failed("configuration", error)])
