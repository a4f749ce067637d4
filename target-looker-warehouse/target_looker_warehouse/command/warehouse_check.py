"""``ifs-bi warehouse-check``: every operation of the target, once, in the warehouse itself."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click
from ifs_bi_core.errors import ExitCode

if TYPE_CHECKING:
    from target_looker_warehouse.check.run import Outcome
    from target_looker_warehouse.check.scratch import Scratch

_SIGNS = {"holds": "✓", "failed": "✗", "left out": "-"}


@click.command("warehouse-check")
@click.option(
    "--config",
    "sources",
    multiple=True,
    default=("ENV",),
    metavar="FILE",
    show_default=True,
    help="The target's configuration file, or ENV for its environment variables; may be given again.",
)
@click.option("--schema", metavar="NAME", help="What to call the schema that is made; there may be none of that name.")
@click.option("--keep", is_flag=True, help="Leave the schema where it is, to look at it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, at the end.")
def warehouse_check(sources: tuple[str, ...], schema: str | None, *, keep: bool, as_json: bool) -> ExitCode:
    """Try every operation of target-looker-warehouse once in the warehouse. Ends with 1 where one fails.

    A schema (BigQuery: a dataset) with a name of its own is made, filled, looked at and dropped. Nothing else is touched. Takes
    seconds in DuckDB and PostgreSQL, some minutes in the others, and a few cents where statements cost something. The user of
    the warehouse has to have the right to make schemas.

    \b
        ifs-bi warehouse-check --config warehouse.json
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    # Here and not above: the list of verbs needn't wait for the SDK to load.
    from ifs_bi_core.singer.configuration import settings_of  # noqa: PLC0415 - the reason is the line above

    from target_looker_warehouse.check.run import Mark, check  # noqa: PLC0415 - the same
    from target_looker_warehouse.check.scratch import Scratch  # noqa: PLC0415 - the same
    from target_looker_warehouse.target import TargetLookerWarehouse  # noqa: PLC0415 - the same

    config = settings_of(TargetLookerWarehouse, sources)
    outcomes: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if not as_json:
            click.echo(f"{_SIGNS[outcome.mark]} {outcome.step}{f': {outcome.said}' if outcome.said else '.'}")

    with TemporaryDirectory(prefix="ifs-bi-check-") as folder:
        scratch = Scratch(config, schema or f"ifs_check_{secrets.token_hex(4)}", Path(folder))
        if not as_json:
            click.echo(f"{scratch.dialect.name} at {scratch.destination}, schema {scratch.name}:")
        try:
            check(scratch, tell, keep=keep)
        finally:
            if as_json and outcomes:
                click.echo(json.dumps(_as_json(scratch, outcomes), ensure_ascii=False))
    failed = sum(outcome.mark is Mark.FAILED for outcome in outcomes)
    if not as_json:
        click.echo(f"{failed} of {len(outcomes)} steps failed." if failed else f"All of {len(outcomes)} steps hold.")
    return ExitCode.FAILED if failed else ExitCode.DONE


def _as_json(scratch: Scratch, outcomes: list[Outcome]) -> dict[str, object]:
    return {
        "warehouse": scratch.dialect.name,
        "destination": scratch.destination,
        "schema": scratch.name,
        "steps": [asdict(outcome) for outcome in outcomes],
        "holds": all(outcome.mark != "failed" for outcome in outcomes),
    }
