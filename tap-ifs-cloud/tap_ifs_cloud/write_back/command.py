"""``ifs-bi write-back``."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
from ifs_bi_core.dead_letter.folders import locked
from ifs_bi_core.errors import ConfigError, ExitCode
from ifs_bi_core.http.message import Request
from ifs_bi_core.singer.lines import encode

from tap_ifs_cloud.write_back.operations import STREAM, Given, given

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.singer.account import Account

    from tap_ifs_cloud.write_back.course import Result
    from tap_ifs_cloud.write_back.operations import Operation
    from tap_ifs_cloud.write_back.sending import Writer

_STANDARD_INPUT = "-"


@click.command("write-back")
@click.argument("file", metavar="[FILE|-]", default=_STANDARD_INPUT)
@click.option(
    "--config",
    "sources",
    multiple=True,
    default=("ENV",),
    metavar="FILE|ENV",
    help="The settings of tap-ifs-cloud: its JSON file, or ENV for its environment variables.  [default: ENV]",
)
@click.option("--dry-run", is_flag=True, help="Look at the records and print what would be sent; change nothing.")
@click.option("--from-ledger", is_flag=True, help="Mark what a run delivered, instead of reading operations.")
@click.option("--run", help="The run for --from-ledger, as `ifs-bi ledger runs` lists it.")
@click.option("--set", "texts", multiple=True, metavar="NAME=VALUE", help="What --from-ledger sets in each record.")
@click.option("--stream", "streams", multiple=True, help="A stream for --from-ledger.  [default: all of the run]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an operation, for machines.")
def write_back(
    file: str,
    sources: tuple[str, ...],
    run: str | None,
    texts: tuple[str, ...],
    streams: tuple[str, ...],
    *,
    dry_run: bool,
    from_ledger: bool,
    as_json: bool,
) -> int:
    """Change, create and delete records in IFS Cloud: one operation a line, guarded by the record's ETag.

    \b
        {"entity": "purchase_orders", "key": {"OrderNo": "10023"}, "set": {"Cf_BiSynced": true}}
        {"entity": "int/entity/AccountEntity/AccountSet", "create": {"Company": "10", "Account": "4711"}}
        {"entity": "sites", "key": {"Contract": "S9"}, "delete": true}
        {"entity": "purchase_orders", "key": {"OrderNo": "10023"}, "action": "Release", "parameters": {}}

    A record that somebody else changed meanwhile is left, unless they left alone what the operation sets. What fails goes to the
    dead letters and comes again with: ifs-bi replay --stream write-back | ifs-bi write-back -

    An "id" of your own in an operation makes sure that it is done once, however often it is given. Give one to creates whose key
    IFS Cloud makes, and to actions: nothing else tells whether they happened.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    # Here and not above: `ifs-bi --help` needn't wait for the tap to load.
    from ifs_bi_core.http.client import REAL  # noqa: PLC0415 - the reason is the line above
    from ifs_bi_core.singer.configuration import settings_of  # noqa: PLC0415

    from tap_ifs_cloud.tap import TapIfsCloud  # noqa: PLC0415

    if from_ledger is not bool(run) or (not from_ledger and (texts or streams)):
        raise ConfigError("--from-ledger goes with --run and --set, and they with it: give all of them or none.")
    if from_ledger and file != _STANDARD_INPUT:
        raise ConfigError("--from-ledger makes the operations itself; leave FILE out.")
    session = Session(settings_of(TapIfsCloud, sources), dry_run=dry_run, as_json=as_json, surroundings=REAL)
    if from_ledger and run:
        return session.mark(run, texts, streams)
    with _opened(file) as lines:
        return session.carry_out(lines)


class Session:
    """One call of the command.

    Args:
        config: the tap's settings, resolved and checked.
        dry_run: whether to change nothing.
        as_json: whether to print JSON.
        surroundings: clock, sleep and dice.
    """

    def __init__(self, config: Mapping[str, Any], *, dry_run: bool, as_json: bool, surroundings: Surroundings) -> None:
        self._config = config
        self._dry_run = dry_run
        self._as_json = as_json
        self._surroundings = surroundings
        self._code = ExitCode.DONE

    def carry_out(self, lines: Iterable[bytes]) -> ExitCode:
        """Carry out the operations of some lines.

        Raises:
            IfsBiError: as `ifs_bi_core.process` ends a command with.
        """
        with self._begun() as (account, writer):
            return self._done(account, writer, _operations(lines, writer))

    def mark(self, run: str, texts: Iterable[str], wanted: Collection[str]) -> ExitCode:
        """Mark what a run delivered.

        Raises:
            IfsBiError: as `ifs_bi_core.process` ends a command with.
        """
        from tap_ifs_cloud.write_back.marking import assignments, chosen_streams, marks  # noqa: PLC0415 - see `write_back`

        values = assignments(texts)
        with self._begun() as (account, writer):
            streams = chosen_streams(account.ledger, writer, run, values, wanted)
            return self._done(account, writer, marks(account.ledger, run, streams, values))

    @contextmanager
    def _begun(self) -> Iterator[tuple[Account, Writer]]:
        """The run in the ledger, its client, and the lock that keeps another write-back of this folder away."""
        from ifs_bi_core.singer.account import Account  # noqa: PLC0415 - see `write_back`

        from tap_ifs_cloud.write_back.sending import Writer  # noqa: PLC0415 - see `write_back`

        account = Account(STREAM, version("tap-ifs-cloud"), self._config)
        with account.closing(lambda: self._code):
            observe = account.run.observer("ifs")
            writer = Writer(self._config, observe=observe, surroundings=self._surroundings)
            around = self._surroundings
            with locked(Path(account.state_dir) / "write-back.lock", clock=around.clock, sleep=around.sleep):
                yield account, writer

    def _done(self, account: Account, writer: Writer, found: Iterable[Given]) -> ExitCode:
        if self._dry_run:
            self._print_plans(account, writer, found)
            return self._code
        from tap_ifs_cloud.write_back.account import REPLAY, Operations  # noqa: PLC0415 - see `write_back`
        from tap_ifs_cloud.write_back.carrying import carry_out  # noqa: PLC0415 - see `write_back`

        operations = Operations(account, destination(self._config), tell=self._tell, sleep=self._surroundings.sleep)
        if left := operations.recover():
            _say(
                f"A write-back before this one was cut off: {left:,} of its operations were not done, or nobody knows. "
                f"They wait for: {REPLAY}"
            )
        operations.read(found)
        try:
            operations.send(partial(carry_out, writer))
        finally:
            counts = ", ".join(f"{outcome} {count:,}" for outcome, count in sorted(operations.counts.items()))
            _say(f"Run {account.run.id}: {counts or 'no operation was given'}.")
        self._code = operations.exit_code()
        if self._code is ExitCode.DEAD_LETTERS:
            _say(
                f"What was not done lies in the dead letters (ifs-bi dead-letters list --stream {STREAM}). Then: {REPLAY}"
            )
        return self._code

    def _print_plans(self, account: Account, writer: Writer, found: Iterable[Given]) -> None:
        from ifs_bi_core.singer.refusals import Refusals  # noqa: PLC0415 - see `write_back`

        from tap_ifs_cloud.write_back.carrying import planned  # noqa: PLC0415 - see `write_back`

        refusals = Refusals(account, destination(self._config))
        for one in found:
            plan = planned(writer, one.operation)
            if mark := refusals.mark_of(one.message):
                refusals.returned([mark])  # a look at a dead letter is no answer to it
            if isinstance(plan, Request):
                self._print_request(one.operation, plan)
            else:
                self._tell(one.operation, plan)

    def _print_request(self, operation: Operation, request: Request) -> None:
        sent = {name: value for name, value in request.headers.items() if name != "Accept"}
        body = (request.body or b"").decode()
        if self._as_json:
            wanted = {"method": request.method, "url": request.url, "headers": sent, "body": body or None}
            click.echo(encode(_machine_form(operation) | {"outcome": "would be sent", "request": wanted}))
            return
        click.echo(f"would send {operation.words}")
        click.echo(f"  {request.method} {request.url}")
        for name, value in sent.items():
            click.echo(f"  {name}: {value}")
        if body:
            click.echo(f"  {body}")

    def _tell(self, operation: Operation, result: Result) -> None:
        if self._as_json:
            told = _machine_form(operation) | {"outcome": result.outcome.value, "reason": result.reason}
            click.echo(encode(told | ({"key": dict(result.key)} if result.key else {})))
            return
        key = " ".join(f"{name}={value}" for name, value in (result.key or {}).items())
        click.echo("  ".join(part for part in (f"{result.outcome:8}", operation.words, key, result.reason) if part))


def destination(config: Mapping[str, Any]) -> str:
    """What the ledger and the dead letters call the configured system."""
    from tap_ifs_cloud.connection import base_url  # noqa: PLC0415 - see `write_back`

    return f"{base_url(config).lower()} (write-back)"


def _operations(lines: Iterable[bytes], writer: Writer) -> Iterator[Given]:
    """The operations of the input, in order.

    Raises:
        ConfigError: a line is none, or names no entity.
    """
    for number, line in enumerate(lines, 1):
        found = given(line, number)
        if found is not None:
            try:
                writer.entity(found.operation.entity)
            except ConfigError as error:
                raise ConfigError(f"Line {number} of the input: {error} Nothing was sent.") from None
            yield found


def _machine_form(operation: Operation) -> dict[str, Any]:
    return {
        "id": operation.id,
        "entity": operation.entity,
        "operation": operation.kind.value,
        "key": dict(operation.key) or None,
    }


@contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    if file != _STANDARD_INPUT:
        try:
            with Path(file).open("rb") as lines:
                yield lines
        except OSError as error:
            raise ConfigError(f"{file} can't be read: {error.strerror or error}. Nothing was sent.") from None
        return
    if sys.stdin.isatty():
        raise ConfigError(
            "Operations are read from a file or a pipe, and this is a terminal. See: ifs-bi write-back --help."
        )
    yield sys.stdin.buffer


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)
