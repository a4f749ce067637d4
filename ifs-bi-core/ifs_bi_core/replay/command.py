"""`ifs-bi dead-letters` and `ifs-bi replay`: the store of `ifs_bi_core.dead_letter` on the command line."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ifs_bi_core.dead_letter.letter import State
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.replay import texts
from ifs_bi_core.replay.key import letter_key
from ifs_bi_core.replay.printing import Selection, moment, standard_output
from ifs_bi_core.replay.printing import replay as print_letters

if TYPE_CHECKING:
    from ifs_bi_core.dead_letter.letter import Letter

_DEFAULT_STATE_DIR = Path(".ifs-bi")
_NOT_DONE = (State.PENDING, State.REPLAYING, State.REFUSED)

_state_dir = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="IFS_BI_STATE_DIR",
    default=_DEFAULT_STATE_DIR,
    show_default=True,
    help="The folder that holds dead-letters.",
)
_stream = click.option("--stream", help="Of this stream alone.")
_destination = click.option("--destination", help="Refused by this destination alone.")


@click.group("dead-letters")
def dead_letters() -> None:
    """Rows that a destination refused for good, and why."""


@dead_letters.command("list")
@_state_dir
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in State]),
    help="In this state; may be given again.  [default: all but done]",
)
@_stream
@_destination
@click.option("--json", "as_json", is_flag=True, help="A JSON list of objects.")
def list_command(
    state_dir: Path, states: tuple[str, ...], stream: str | None, destination: str | None, *, as_json: bool
) -> None:
    """The dead letters, oldest first, and how to replay them."""
    wanted = [State(state) for state in states] or _NOT_DONE
    found = _store(state_dir).letters(*wanted, stream=stream, destination=destination)
    if as_json:
        _say_list(found)
        return
    click.echo(texts.letters_text(found, None if state_dir == _DEFAULT_STATE_DIR else str(state_dir)))


@dead_letters.command("show")
@_state_dir
@click.argument("letter", metavar="LETTER|BATCH")
@click.option("--payload", is_flag=True, help="The lines too, opened where they are sealed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a letter.")
def show_command(state_dir: Path, letter: str, *, payload: bool, as_json: bool) -> None:
    """Everything about one letter, or about those of a batch: each row's key, reason and state."""
    store = _store(state_dir)
    found = store.letters(letter=letter) or store.letters(batch=letter)
    if not found:
        raise ConfigError(
            f"There is no dead letter or batch {letter} in {store.folder}. See: ifs-bi dead-letters list."
        )
    for one in found:
        lines = store.payload(one.id) if payload else []
        if as_json:
            click.echo(json.dumps(_whole(store, one, lines)))
            continue
        click.echo(texts.letter_text(one, store.details(one.id)))
        for line in lines:
            click.echo(line)


@click.command("replay")
@_state_dir
@_stream
@click.option("--batch", help="Of this batch, also if refused again.")
@click.option("--run", help="Of this run alone.")
@click.option("--since", metavar="TIME", help="Refused at this date or timestamp (ISO 8601, UTC) or later.")
@_destination
@click.option("--letter", help="This letter, also if refused again.")
@click.option("--unanswered", is_flag=True, help="Also those of an earlier replay whose target never told of them.")
@click.option("--json", "as_json", is_flag=True, help="Only tell what would be replayed: a JSON list of objects.")
def replay(state_dir: Path, since: str | None, *, as_json: bool, **asked: Any) -> None:
    """Print dead letters again as Singer lines, for the same target: all that is pending, or what the options name.

    Nothing is fetched from IFS Cloud. A letter is done when the target has acknowledged its rows.

    \b
        ifs-bi replay | target-powerbi --config config.json
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    selection = Selection(since=None if since is None else moment(since), **asked)
    store = _store(state_dir)
    if as_json:
        _say_list(selection.letters(store, *selection.states))
        return
    print_letters(store, selection, standard_output(), lambda sentence: click.echo(sentence, file=sys.stderr))


def _store(state_dir: Path) -> DeadLetters:
    return DeadLetters(state_dir, key=letter_key(state_dir, create=False))


def _say_list(letters: list[Letter]) -> None:
    click.echo(json.dumps([texts.machine_form(letter) for letter in letters]))


def _whole(store: DeadLetters, letter: Letter, lines: list[bytes]) -> dict[str, Any]:
    details = [asdict(row) for row in store.details(letter.id)]
    told = texts.machine_form(letter) | {"details": details}
    if lines:
        schema, *rows = (line.decode("utf-8", "backslashreplace") for line in lines)
        told["schema"] = schema
        for row, line in zip(details, rows, strict=True):
            row["line"] = line
    return told
