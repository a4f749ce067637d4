"""``ifs-bi powerbi``: what a run would do, the dataset made ahead, tables compacted and verified."""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from ifs_bi_core.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import BinaryIO

    from target_powerbi.settings import Settings

_config = click.option(
    "--config",
    "sources",
    multiple=True,
    default=("ENV",),
    metavar="FILE",
    show_default=True,
    help="The target's configuration file, or ENV for its environment variables; may be given again.",
)
_input = click.option(
    "--input",
    "source",
    type=click.File("rb"),
    metavar="FILE",
    help="Output of a tap, its SCHEMA lines, or its catalog.  [default: standard input]",
)
_tables = click.option(
    "--table", "tables", multiple=True, metavar="NAME", help="A stream or table; may be given again."
)
_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON value.")


@click.group("powerbi")
def powerbi() -> None:
    """Plan a run into Power BI; make, compact and verify its dataset."""


@powerbi.command("plan")
@_input
@_config
@_as_json
def plan(source: BinaryIO | None, sources: tuple[str, ...], *, as_json: bool) -> ExitCode:
    """Tell what a run would make, alter and push, and how long; nothing is written.

    The target rehearses the run with the kept rows and the limits of Power BI. A tap's SCHEMA lines or its catalog tell of
    tables; all of its output tells of rows too.

    \b
        tap-ifs-cloud --config tap.json --test=schema | ifs-bi powerbi plan --config target.json
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    config, settings = _settings(sources)
    if settings.landing_zone_url:
        sentence = (
            f"Rows go to the landing zone {settings.landing_zone_url} as files. Its tables need not be made ahead, and it has "
            f"no limits of rows or requests that a run waits for."
        )
        click.echo(json.dumps({"landing_zone": settings.landing_zone_url}) if as_json else sentence)
        return ExitCode.DONE
    # Here and not above, as in the other verbs: the list of verbs needn't wait for the SDK to load.
    from target_powerbi.command.plan import planned  # noqa: PLC0415 - the reason is the line above
    from target_powerbi.command.report import plan_as_json, plan_text  # noqa: PLC0415

    found = planned(config, settings, _opened(source))
    _say(plan_as_json(found), plan_text(found), as_json=as_json)
    return ExitCode.DONE if found.problem is None else found.problem.exit_code


@powerbi.command("create")
@_input
@_config
@_as_json
def create(source: BinaryIO | None, sources: tuple[str, ...], *, as_json: bool) -> None:
    """Make the dataset with all of its tables now, before the first rows.

    Where it is there already, its tables are checked, and columns added.

    \b
        tap-ifs-cloud --config tap.json --test=schema | ifs-bi powerbi create --config target.json
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    config, settings = _settings(sources)
    _expect_dataset(settings, "Its tables are made with their first files; there is nothing to make ahead.")
    from target_powerbi.command.creation import create as make  # noqa: PLC0415 - the reason is told in `plan`

    _tell_progress()
    made = make(config, _opened(source))
    what = (
        f"Dataset {made.dataset} ({made.dataset_id}) is made with" if made.made else f"Dataset {made.dataset} is there"
    )
    tables = f"{len(made.tables)} tables: {', '.join(made.tables)}"
    _say(asdict(made), f"{what} {tables}." if made.made else f"{what}, and fits {tables}.", as_json=as_json)


@powerbi.command("compact")
@_tables
@_config
@_as_json
def compact(tables: tuple[str, ...], sources: tuple[str, ...], *, as_json: bool) -> None:
    """Write tables of write_mode signed anew, without the rows that cancel each other.

    Without --table: those where cancelled rows outweigh the others. While a table is written, people see a part of its rows.
    """
    config, settings = _settings(sources)
    _expect_dataset(settings, "No rows cancel each other there; there is nothing to compact.")
    from target_powerbi.command.creation import compact as write_anew  # noqa: PLC0415 - the reason is told in `plan`

    _tell_progress()
    done = write_anew(config, settings, tables)
    lines = [
        f"{one.stream}: table '{one.table}' holds {one.rows:,} rows now, {one.removed:,} less than before."
        for one in done
    ]
    nothing = "In no table cancelled rows outweigh the others; name one with --table to write it anew all the same."
    _say([asdict(one) for one in done], "\n".join(lines) or nothing, as_json=as_json)


@powerbi.command("verify")
@_tables
@click.option(
    "--source",
    "taps",
    multiple=True,
    metavar="[PLUGIN=]FILE",
    help="The tap's configuration file, or ENV for its environment variables: the rows at the source are counted as well.",
)
@_config
@_as_json
def verify(tables: tuple[str, ...], taps: tuple[str, ...], sources: tuple[str, ...], *, as_json: bool) -> ExitCode:
    """Compare rows and sums in Power BI with those that were delivered. Ends with 1 where they differ.

    With --source the number of rows at the source counts, too; it is another one where rows came or went since the last run.

    \b
        ifs-bi powerbi verify --config target.json --source tap.json
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    config, settings = _settings(sources)
    _expect_dataset(
        settings,
        "What its tables show is asked at the SQL analytics endpoint of the mirrored database, which this command can't.",
    )
    from target_powerbi.command.report import verified_as_json, verified_text  # noqa: PLC0415 - the reason is told in `plan`
    from target_powerbi.command.verification import verified  # noqa: PLC0415
    from target_powerbi.command.verification_source import with_source  # noqa: PLC0415

    found = verified(settings, tables)
    if taps:
        found = with_source(found, config, taps)
    _say(verified_as_json(found), verified_text(found), as_json=as_json)
    return ExitCode.DONE if all(table.holds for table in found) else ExitCode.FAILED


def _settings(sources: Iterable[str]) -> tuple[Mapping[str, Any], Settings]:
    from ifs_bi_core.singer.configuration import settings_of  # noqa: PLC0415 - the reason is told in `plan`

    from target_powerbi.settings import read_settings  # noqa: PLC0415
    from target_powerbi.target import TargetPowerBI  # noqa: PLC0415

    config = settings_of(TargetPowerBI, tuple(sources))
    return config, read_settings(config)


def _expect_dataset(settings: Settings, why: str) -> None:
    if settings.landing_zone_url:
        raise ConfigError(f"The setting 'destination' is fabric_mirroring. {why}")


def _opened(source: BinaryIO | None) -> BinaryIO:
    if source is not None:
        return source
    if sys.stdin.isatty():
        raise ConfigError("Name a file with --input, or pipe in the output of a tap or its catalog.")
    return sys.stdin.buffer


def _tell_progress() -> None:
    """A verb that may last says how far it is, unless somebody has chosen how much is logged."""
    if not os.environ.get("LOGLEVEL"):
        logging.getLogger("target_powerbi").setLevel(logging.INFO)
        logging.getLogger("singer_sdk.metrics").setLevel(logging.WARNING)


def _say(said: Any, sentence: str, *, as_json: bool) -> None:
    click.echo(json.dumps(said) if as_json else sentence)
