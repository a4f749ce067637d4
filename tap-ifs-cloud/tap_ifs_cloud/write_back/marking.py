"""Operations that mark in IFS Cloud what a run delivered, by the ledger: ``--from-ledger --run R --set Cf_BiSynced=true``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifs_bi_core.errors import ConfigError, RowRejectedError
from ifs_bi_core.ledger.delivered import delivered
from ifs_bi_core.ledger.delivered import streams as streams_of

from tap_ifs_cloud.write_back.operations import STREAM, Given, Kind, Operation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from ifs_bi_core.ledger.runs import Ledger

    from tap_ifs_cloud.write_back.sending import Writer


def assignments(texts: Iterable[str]) -> dict[str, str | None]:
    """The properties to set, by ``NAME=VALUE``; what VALUE means is said by the property's type, and ``null`` is null.

    Raises:
        ConfigError: one is no NAME=VALUE, or there is none.
    """
    found: dict[str, str | None] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ConfigError(f"--set {text!r} is no NAME=VALUE, such as Cf_BiSynced=true.")
        found[name] = None if value == "null" else value
    if not found:
        raise ConfigError("--from-ledger needs --set NAME=VALUE, such as --set Cf_BiSynced=true.")
    return found


def chosen_streams(
    ledger: Ledger, writer: Writer, run: str, values: Mapping[str, str | None], wanted: Collection[str]
) -> list[str]:
    """The streams of a run whose records are to be marked, after a look at whether they can be.

    Args:
        ledger: where the run is.
        writer: knows what the tenant has.
        run: the run.
        values: what is set.
        wanted: streams to mark; none named: all of the run.

    Raises:
        ConfigError: there is no such run or stream, or the stream's entity has no such property, or takes no such value.
        IfsBiError: the tenant can't say.
    """
    there = [stream for stream in streams_of(ledger, run) if stream != STREAM]
    if unknown := [stream for stream in wanted if stream not in there]:
        raise ConfigError(f"Run {run} has no stream {', '.join(unknown)}. It has {', '.join(there) or 'none'}.")
    chosen = [stream for stream in there if not wanted or stream in wanted]
    for stream in chosen:
        if stream not in writer.streams:
            raise ConfigError(
                f"The stream {stream} of run {run} is none of the tap's. Name those to mark with --stream, or add it to entities."
            )
        try:
            writer.resource(stream, values).checked(values)
        except RowRejectedError as error:
            raise ConfigError(f"{error} Name the streams to mark with --stream. Nothing was sent.") from None
    return chosen


def marks(ledger: Ledger, run: str, streams: Iterable[str], values: Mapping[str, str | None]) -> Iterator[Given]:
    """An operation for each record that arrived. It is for the version that arrived: a newer one was not delivered yet.

    Raises:
        ConfigError: a stream has no key.
        LedgerError: a batch file is not on this machine, or is damaged.
    """
    for stream in streams:
        for record in delivered(ledger, run, stream):
            yield Given(Operation(Kind.UPDATE, stream, record.key, values, version=record.row_version))
