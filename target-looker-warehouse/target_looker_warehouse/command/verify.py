"""``ifs-bi verify``: the source and the warehouse side by side."""

from __future__ import annotations

import json

import click
from ifs_bi_core.errors import ExitCode


@click.command("verify")
@click.option(
    "--source",
    "taps",
    multiple=True,
    required=True,
    metavar="[PLUGIN=]FILE",
    help="The tap's configuration file, or ENV for its environment variables; may be given again.",
)
@click.option(
    "--config",
    "sources",
    multiple=True,
    default=("ENV",),
    metavar="FILE",
    show_default=True,
    help="The target's configuration file, or ENV for its environment variables; may be given again.",
)
@click.option(
    "--stream",
    "streams",
    multiple=True,
    metavar="NAME",
    help="A stream; may be given again.  [default: those that were loaded, and those that the tap's settings choose]",
)
@click.option("--keys", is_flag=True, help="Compare the keys and the versions of all rows as well.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="How many differing lines and keys to name of each kind.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON value.")
def verify(
    taps: tuple[str, ...], sources: tuple[str, ...], streams: tuple[str, ...], limit: int, *, keys: bool, as_json: bool
) -> ExitCode:
    """Compare the tables of a warehouse with IFS Cloud. Ends with 1 where they differ.

    Numbers of rows are compared of every stream, the trial balance of those that have one: the sums of each company, year,
    period and account, to the last digit. With --keys, the rows that only one side has are named, and those whose version
    differs. Nothing is written on either side.

    \b
        ifs-bi verify --config warehouse.json --source tap.json --keys
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    # Here and not above: the list of verbs needn't wait for the SDK to load.
    from ifs_bi_core.singer.configuration import settings_of  # noqa: PLC0415 - the reason is the line above
    from ifs_bi_core.source_counts import opened  # noqa: PLC0415

    from target_looker_warehouse.command.verification import verified  # noqa: PLC0415
    from target_looker_warehouse.command.verification_report import verified_as_json, verified_text  # noqa: PLC0415
    from target_looker_warehouse.target import TargetLookerWarehouse  # noqa: PLC0415

    config = settings_of(TargetLookerWarehouse, sources)
    source = opened(taps)
    found = verified(config, source, streams, keys=keys, most=limit)
    said = json.dumps(verified_as_json(found, limit)) if as_json else verified_text(found, source.system, limit)
    click.echo(said)
    return ExitCode.DONE if all(one.holds for one in found) else ExitCode.FAILED
