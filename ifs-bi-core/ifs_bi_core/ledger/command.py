"""`ifs-bi ledger`: the questions of `ifs_bi_core.ledger.history` and `ifs_bi_core.ledger.stories`, on the command line."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ifs_bi_core.ledger import history, options, retention, stories, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_FOUND_WANTING = 1


@click.group()
def ledger() -> None:
    """What runs did, and what became of each record."""


def _located(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every verb."""
    as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
    return options.ledger_url(options.state_dir(as_json(command)))


@ledger.command("runs")
@_located
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, from the newest.")
def runs_command(ledger_url: str | None, state_dir: Path, limit: int, *, as_json: bool) -> None:
    """The runs, newest first."""
    with options.opened(ledger_url, state_dir) as book:
        found = history.runs(book, limit=limit)
    _say([asdict(part) for part in found] if as_json else texts.runs_text(found))


@ledger.command("show")
@_located
@click.argument("run")
def show_command(ledger_url: str | None, state_dir: Path, run: str, *, as_json: bool) -> None:
    """What RUN did: its requests, pages and batches."""
    with options.opened(ledger_url, state_dir) as book:
        view = history.show(book, run)
    _say([asdict(view)] if as_json else texts.run_text(view))


@ledger.command("find")
@_located
@click.option("--stream", required=True, help="The record's stream, such as purchase_orders.")
@click.option(
    "--key", "keys", required=True, multiple=True, metavar="NAME=VALUE", help="One for each property of the key."
)
def find_command(ledger_url: str | None, state_dir: Path, stream: str, keys: tuple[str, ...], *, as_json: bool) -> None:
    """The whole story of one record across runs."""
    key = dict(_pair(text) for text in keys)
    with options.opened(ledger_url, state_dir) as book:
        found = stories.find(book, stream, key)
    _say([asdict(story) for story in found] if as_json else texts.stories_text(stream, found))


@ledger.command("balance")
@_located
@click.argument("run")
@click.pass_context
def balance_command(
    context: click.Context, ledger_url: str | None, state_dir: Path, run: str, *, as_json: bool
) -> None:
    """Whether RUN accounts for every row: read = acknowledged + dead + unknown. Ends with 1 where it doesn't."""
    with options.opened(ledger_url, state_dir) as book:
        found = history.balance(book, run)
    told = asdict(found) | {"holds": found.holds}
    told["streams"] = [asdict(line) | {"holds": line.holds} for line in found.streams]
    _say([told] if as_json else texts.balance_text(found))
    if not found.holds:
        context.exit(_FOUND_WANTING)


@ledger.command("prune")
@_located
@click.option(
    "--retain-payload-days",
    type=click.FloatRange(0),
    default=retention.RETAIN_PAYLOAD_DAYS,
    show_default=True,
    help="How long batch files hold the rows that were delivered.",
)
@click.option(
    "--retain-trail-days",
    type=click.FloatRange(0),
    default=retention.RETAIN_TRAIL_DAYS,
    show_default=True,
    help="How long `find` knows of a delivered row.",
)
def prune_command(
    ledger_url: str | None, state_dir: Path, retain_payload_days: float, retain_trail_days: float, *, as_json: bool
) -> None:
    """Remove what is older than it has to be; never a row that was not delivered."""
    with options.opened(ledger_url, state_dir) as book:
        removed = retention.prune(book, retain_payload_days=retain_payload_days, retain_trail_days=retain_trail_days)
    _say([asdict(removed)] if as_json else texts.pruned_text(removed))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is no NAME=VALUE, such as OrderNo=10023.", param_hint="--key")
    return name, value


def _say(told: str | Iterable[Any]) -> None:
    for line in [told] if isinstance(told, str) else (msgspec.json.encode(value).decode() for value in told):
        click.echo(line)
