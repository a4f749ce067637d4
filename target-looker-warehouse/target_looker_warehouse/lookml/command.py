"""``ifs-bi lookml``: the LookML project for the streams of a tap."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ifs_bi_core.errors import ConfigError

from target_looker_warehouse.dialects.bigquery import BIGQUERY
from target_looker_warehouse.dialects.duckdb import DUCKDB
from target_looker_warehouse.dialects.postgresql import POSTGRESQL
from target_looker_warehouse.dialects.redshift import REDSHIFT
from target_looker_warehouse.dialects.snowflake import SNOWFLAKE

if TYPE_CHECKING:
    from target_looker_warehouse.lookml.updating import Updated


_DIALECTS = {
    "bigquery": (BIGQUERY, ""),
    "duckdb": (DUCKDB, "main"),
    "postgresql": (POSTGRESQL, "public"),
    "redshift": (REDSHIFT, "public"),
    "snowflake": (SNOWFLAKE, "PUBLIC"),
}
"""By the names that the command takes: what the warehouse can do, and where tables are if nobody says so."""
_MODEL = re.compile(r"[a-z][a-z0-9_]*")
_QUOTED = re.compile(r'["`;{}\\\n]')


@click.command("lookml")
@click.option(
    "--out",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The root of the LookML project.",
)
@click.option(
    "--catalog",
    type=click.File(encoding="utf-8"),
    default="-",
    metavar="FILE",
    help="A Singer catalog or a tap's lines. [default: standard input]",
)
@click.option(
    "--dialect",
    type=click.Choice(list(_DIALECTS)),
    default="postgresql",
    show_default=True,
    help="Of the warehouse: how it quotes and spells names. MotherDuck's is duckdb.",
)
@click.option(
    "--schema",
    metavar="NAME",
    help="Where the tables are; of BigQuery the dataset, with its project if it isn't the connection's. "
    "[default: main, public or PUBLIC, as the dialect has it]",
)
@click.option("--connection", default="warehouse", show_default=True, metavar="NAME", help="Looker's connection.")
@click.option("--model", default="ifs_cloud", show_default=True, metavar="NAME", help="The model's name.")
@click.option(
    "--identifier-case", type=click.Choice(["keep", "lower", "upper"]), help="As the target's setting identifier_case."
)
@click.option("--no-views", is_flag=True, help="The target makes no roll-up views (its setting `views` is false).")
@click.option("--forget", is_flag=True, help="Take out streams that the project had and that aren't given now.")
@click.option("--replace-edited", is_flag=True, help="Write generated files anew that somebody has edited.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: what became of which file.")
def lookml(folder: Path, catalog: Any, *, dialect: str, as_json: bool, **options: Any) -> None:
    """Write a LookML project for the streams of a tap.

    \b
        tap-ifs-cloud --config tap.json --discover | ifs-bi lookml --out looker/ --schema erp
        tap-ifs-cloud --config tap.json --test=schema | ifs-bi lookml --out looker/ --dialect snowflake

    Generated files say so in their first line. Refine them in files of your own (view: +name) in the folder refinements/, which
    are never touched. A generated file that somebody has edited is kept and named.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    # Here and not above: the list of verbs needn't wait for Arrow to load.
    from target_looker_warehouse.lookml.lkml_extra import require_lkml  # noqa: PLC0415 - the reason is the line above

    require_lkml("'ifs-bi lookml'")
    from target_looker_warehouse.lookml.project import Place  # noqa: PLC0415 - the same
    from target_looker_warehouse.lookml.relations import ROLL_UPS  # noqa: PLC0415 - the same
    from target_looker_warehouse.lookml.schemas import schemas  # noqa: PLC0415 - the same
    from target_looker_warehouse.lookml.updating import planned, update  # noqa: PLC0415 - the same

    facts, schema = _DIALECTS[dialect]
    if options["identifier_case"]:
        facts = replace(facts, identifier_case=options["identifier_case"])
    place = Place(
        facts,
        _named("--schema", options["schema"] or schema),
        _named("--connection", options["connection"]),
        _model(options["model"]),
        frozenset() if options["no_views"] else ROLL_UPS,
    )
    if catalog.isatty():
        raise ConfigError(
            "No SCHEMA was given. Pipe a tap's --discover or --test=schema into it, or name a file with --catalog."
        )
    found = schemas(catalog, "standard input" if catalog.name == "<stdin>" else catalog.name)
    done = update(
        folder, planned(found, facts), place, forget=options["forget"], replace_edited=options["replace_edited"]
    )
    click.echo(json.dumps({**asdict(done.files), "left_out": list(done.left_out)}) if as_json else _told(folder, done))


def _named(option: str, name: str) -> str:
    if not name:
        raise ConfigError(
            f"{option} is missing: BigQuery has no dataset that is meant without a name. Add {option} NAME."
        )
    if _QUOTED.search(name):
        raise ConfigError(f"{option} {name!r} has a character that LookML can't have there. Name it without.")
    return name


def _model(name: str) -> str:
    if not _MODEL.fullmatch(name):
        raise ConfigError(
            f"--model {name!r} is no name of LookML. Use letters of lower case, digits and underscores, a letter first."
        )
    return name


def _told(folder: Path, done: Updated) -> str:
    files = done.files
    lines = [
        f"{folder}: {len(files.written)} files written, {len(files.unchanged)} unchanged, {len(files.removed)} removed."
    ]
    lines += [
        f"{path} was edited by hand and is kept. Put what you want otherwise into refinements/, then write it anew with "
        f"--replace-edited."
        for path in files.kept
    ]
    lines += [f"{name} is left out: LookML can't name it. Rename it with a stream map." for name in done.left_out]
    return "\n".join(lines)
