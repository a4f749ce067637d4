"""A Singer target that keeps the order of what it is told.

Three habits of the SDK would lose or resurrect rows, and are replaced here:

- A new SCHEMA for a stream puts the old sink aside and drains it after the new one; here it is drained first.
- ACTIVATE_VERSION reaches a sink that still holds rows; here they are drained first.
- ``_sdc_deleted_at`` is dropped from schema and record unless metadata columns are on; here a delete stays a delete (`sinks`).

STATE is written when everything before it is confirmed by the destination or lies in the dead letters (docs/adr/0003).
"""

from __future__ import annotations

import logging
import sys
from abc import abstractmethod
from contextlib import suppress
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from singer_sdk import Sink, Target
from singer_sdk.exceptions import RecordsWithoutSchemaException
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.plugin_base import PluginBase, _ConfigInput

from ifs_bi_core.errors import ContractBrokenError, ExitCode, IfsBiError
from ifs_bi_core.singer.account import Account
from ifs_bi_core.singer.batch_files import batch_files
from ifs_bi_core.singer.flight import Flight
from ifs_bi_core.singer.line_sinks import LineSink
from ifs_bi_core.singer.lines import encode
from ifs_bi_core.singer.parts import Parts, Waiting
from ifs_bi_core.singer.plugin import Plugin
from ifs_bi_core.singer.progress import Progress
from ifs_bi_core.singer.reader import LineReader
from ifs_bi_core.singer.refusals import Refusals
from ifs_bi_core.singer.sinks import RowSink

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from singer_sdk.mapper import StreamMap

    from ifs_bi_core.singer.batch_files import BatchFile
    from ifs_bi_core.singer.outgoing import Pushed
    from ifs_bi_core.singer.parts import Part


_LOG = logging.getLogger(__name__)
_OF_RECORD = {"stream", "record"}


class UnannouncedStreamError(ContractBrokenError, RecordsWithoutSchemaException):
    """A message for a stream came before its SCHEMA."""


class OrderedTarget(Plugin, Target):
    """A target whose sinks are `RowSink`."""

    message_reader_class = LineReader
    confirms_at_end = False
    """Whether the destination shows what it was given only when the run is complete."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_parallelism = 1  # sinks of one target share one connection
        self.holds_state = self.confirms_at_end
        """Whether a STATE would stand for something that is only done at the end of the run."""
        self.activated: dict[str, int] = {}
        """The version of each stream that was activated last in this run: a row behind it is no older than that."""
        self._pushed: list[Pushed] = []
        self._progress: dict[str, Progress] = {}
        self.parts = Parts()
        """What is gathered of each stream, and what is on its way."""
        self._states: Waiting[dict[str, Any]] = Waiting()
        self._files: Waiting[BatchFile] = Waiting()
        self.flight = Flight()
        """The batches that are on their way."""
        self._told: dict[str, Any] | None = None
        if isinstance(self.message_reader, LineReader):
            self.message_reader.taker = self

    @property
    def deliveries_at_once(self) -> tuple[int, int]:
        """How many batches may be on their way at a time, each of another stream, and how many bytes they may take together."""
        return 1, 0

    @property
    @abstractmethod
    def destination(self) -> str:
        """Where rows go, without secrets: the same text for the same place in every run."""

    @cached_property
    def account(self) -> Account:
        """The ledger of this run."""
        return Account(self.name, self.plugin_version, self.config)

    @cached_property
    def refusals(self) -> Refusals:
        """Where refused rows go."""
        return Refusals(self.account, self.destination)

    @property
    def fails_on_refusal(self) -> bool:
        """Whether a row that is refused ends the run."""
        return bool(self.config["on_row_error"] == "fail")

    @property
    def line(self) -> bytes:
        """The line that is being worked on."""
        return getattr(self.message_reader, "line", b"")

    @property
    def flaw(self) -> str | None:
        """Why the row of that line can't be taken, for a person; None: it can."""
        return getattr(self.message_reader, "flaw", None)

    def finish(self) -> None:
        """Do what is only right when all rows have come; the destination has confirmed it when this returns."""
        for sink in self.row_sinks():
            sink.finish()

    def settle(self) -> None:
        """Note what a STATE that leaves now stands for; the last thing before it does."""

    def process_endofpipe(self) -> None:
        """Deliver what is left, finish, confirm, and let STATE go."""
        for sink in self.row_sinks():
            self.drain_one(sink)
        self.flight.land()
        self.finish()
        for pushed in self._pushed:
            pushed.confirm()
        self._pushed.clear()
        for progress in self._progress.values():
            progress.done()
        self.refusals.flush()
        self.settle()
        super().process_endofpipe()
        _remove(self._files.leave())

    def pushed(self, stream: str, pushed: Pushed) -> None:
        """Take note of a batch that the destination took."""
        self.progress_of(stream).add(pushed.rows, 1)
        if self.confirms_at_end:
            self._pushed.append(pushed)
        else:
            pushed.confirm()

    def refuse_pushed(self, stream: str, key: str, reason: str) -> bool:
        """Put aside a row of this run that the destination had taken and refuses after all, before it is confirmed.

        Args:
            stream: of the row.
            key: of the row, as the ledger writes it (`ifs_bi_core.ledger.keys.key_text`); the last one of it is meant.
            reason: of the refusal.

        Returns:
            Whether the row came in this run.
        """
        return any(pushed.refuse(key, reason) for pushed in reversed(self._pushed) if pushed.stream == stream)

    def progress_of(self, stream: str) -> Progress:
        """Tells how much of a stream is delivered; begins when it is first asked for."""
        if stream not in self._progress:
            self._progress[stream] = Progress(stream, doing="delivered", page="batch", log=self.logger.info)
        return self._progress[stream]

    def row_sinks(self) -> list[RowSink]:
        """The sinks of all streams."""
        return [sink for sink in self._sinks_active.values() if isinstance(sink, RowSink)]

    @classmethod
    def invoke(  # type: ignore[override]  # the SDK overrides it the same way
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
    ) -> ExitCode:
        """Read the input to its end; the exit code says whether all rows were delivered."""
        PluginBase.invoke.__func__(cls, about=about, about_format=about_format)  # type: ignore[attr-defined]
        cls.print_version(print_fn=cls.logger.info)
        config = config or _ConfigInput()
        target = cls(config=config.config, validate_config=True, parse_env_config=config.parse_env)
        with target.account.closing(target.exit_code):  # the ledger is opened before anything is sent
            try:
                target.listen(file_input)
            except BaseException:
                with suppress(IfsBiError):  # the error that ends the run is the one to be told
                    target.flight.land()
                for sink in target.row_sinks():
                    sink.abandon()
                raise
        if said := target.refusals.told(cls.name):
            cls.logger.warning("%s", said)
        return target.exit_code()

    def exit_code(self) -> ExitCode:
        """How a run ends that came to its end."""
        return ExitCode.DEAD_LETTERS if self.refusals.counts else ExitCode.DONE

    def get_sink(
        self,
        stream_name: str,
        *,
        record: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        key_properties: Sequence[str] | None = None,
    ) -> Sink:
        """The stream's sink. Where the schema changed, the rows of the old one are delivered before the new one is made."""
        existing = self._sinks_active.get(stream_name)
        changed = (
            existing is not None
            and schema is not None
            and (existing.original_schema != schema or list(existing.key_properties) != list(key_properties or []))
        )
        if existing is not None and changed:
            self.drain(existing)
            existing.clean_up()
            del self._sinks_active[stream_name]
            return self.add_sink(stream_name, schema or {}, key_properties)
        if existing is not None and schema is not None:
            return existing
        return super().get_sink(stream_name, record=record, schema=schema, key_properties=key_properties)

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        run = message_dict.pop("run", None)
        self.account.join(run)
        try:
            super()._process_schema_message(message_dict)
        except RecursionError:
            raise ContractBrokenError(
                f"The SCHEMA of '{message_dict['stream']}' is nested too deeply. Leave out of the stream what nests so, then run "
                f"again."
            ) from None
        # A letter does not tell the run to the replay, which is another one.
        self.refusals.announce(message_dict["stream"], self.line if run is None else encode(message_dict))

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        if not message_dict.keys() >= _OF_RECORD:
            self._assert_line_requires(message_dict, requires=_OF_RECORD)
        taken = False
        for stream_map in self._stream_maps(message_dict["stream"]):
            given = dict(message_dict["record"])
            row = given if _changes_nothing(stream_map) else stream_map.transform(given)
            if row is None:  # filtered out by the map
                continue
            taken = True
            sink = self._sinks_active.get(stream_map.stream_alias) or self.get_sink(stream_map.stream_alias)
            if not isinstance(sink, RowSink):
                raise TypeError(f"{type(sink).__name__} is no RowSink")
            sink.accept(row, message_dict)
            if sink.is_full:
                self.drain_one(sink)
        if not taken and (mark := self.refusals.mark_of(message_dict)):
            self.refusals.answered([mark], "a stream map leaves it out")
        self._handle_max_record_age()

    def takes_lines(self, stream: str) -> bool:
        """Whether rows of a stream may come as lines (see `ifs_bi_core.singer.reader.TakesLines`)."""
        return (sink := self._line_sink(stream)) is not None and sink.takes_lines

    def take_lines(self, stream: str, lines: bytes, count: int, number: int) -> None:
        """Take rows as lines (see `ifs_bi_core.singer.reader.TakesLines`)."""
        sink = self._line_sink(stream)
        if sink is None:
            raise TypeError(f"{stream!r} takes no lines")
        while count:
            some = min(count, max(1, sink.max_size - sink.current_size))
            end = len(lines) if some == count else _end_of_line(lines, some)
            sink.accept_lines(lines[:end], some, number)
            lines, count, number = lines[end + 1 :], count - some, number + some
            if sink.is_full:
                self.drain_one(sink)
        self._handle_max_record_age()

    def again(self, line: bytes, number: int) -> AbstractContextManager[dict[str, Any]]:
        """One of the lines that were taken is worked on within the block (see `ifs_bi_core.singer.reader.LineReader`)."""
        return self._lines.again(line, number)

    @property
    def _lines(self) -> LineReader:
        if not isinstance(self.message_reader, LineReader):
            raise TypeError(f"{type(self.message_reader).__name__} is no LineReader")
        return self.message_reader

    def _line_sink(self, stream: str) -> LineSink | None:
        maps = self._stream_maps(stream)
        if len(maps) != 1 or not _changes_nothing(maps[0]):
            return None
        sink = self._sinks_active.get(maps[0].stream_alias)
        return sink if isinstance(sink, LineSink) else None

    def drain(self, sink: Sink) -> None:
        """Deliver what a sink has gathered, and wait for it."""
        self.drain_one(sink)
        self.flight.land()

    def arrived(self, part: Part) -> None:
        """A part of the rows is delivered: let STATE and files go that waited for it."""
        self.parts.arrived(part)
        states = self._states.arrived(part)
        if self.holds_state:  # nothing is done before the end of the run, and then the last state is the one to tell
            return
        if states:
            self._tell_state(states[-1])
        _remove(self._files.arrived(part))

    def _undelivered(self) -> set[Part]:
        return self.parts.undelivered(name for name, sink in self._sinks_active.items() if sink.current_size)

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_state_message(message_dict)
        self._states.came(message_dict["value"], self._undelivered(), instead=True)

    def _handle_max_record_age(self) -> None:
        """Write STATE now and then, where all that it stands for is done."""
        if not self.holds_state:
            super()._handle_max_record_age()

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        self._assert_line_requires(message_dict, requires={"stream", "version"})
        for stream_map in self._stream_maps(message_dict["stream"]):
            sink = self.get_sink(stream_map.stream_alias)
            self.drain(sink)
            sink.activate_version(message_dict["version"])
            self.activated[stream_map.stream_alias] = message_dict["version"]

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        for file in batch_files(message_dict):
            number = self._lines.first_line_of(file.url)
            for lines in file.record_lines():
                count = lines.count(b"\n") + 1
                self._take_of_file(message_dict["stream"], lines, count, number)
                number += count
            self._files.came(file, self._undelivered())

    def _take_of_file(self, stream: str, lines: bytes, count: int, number: int) -> None:
        if self.takes_lines(stream):
            self.take_lines(stream, lines, count, number)
            return
        for place, line in enumerate(lines.split(b"\n")):
            with self.again(line, number + place) as message:
                self._process_record_message(message)

    def _stream_maps(self, stream: str) -> Sequence[StreamMap]:
        maps: Mapping[str, Sequence[StreamMap]] = self.mapper.stream_maps
        if stream not in maps:
            raise UnannouncedStreamError(
                f"A message for stream '{stream}' came before its SCHEMA. The tap has to send the SCHEMA first."
            )
        return maps[stream]

    def _write_state_message(self, state: dict[str, Any]) -> None:
        self.flight.land()
        self._tell_state(state)

    def _tell_state(self, state: dict[str, Any]) -> None:
        if state == self._told:
            return
        self.refusals.flush()
        self.account.run.flush()
        self._told = state
        if state == self._latest_state:
            self._states.leave()  # whatever waits is older
        sys.stdout.write(encode(state).decode() + "\n")  # a decimal inside a foreign tap's state stays a number
        sys.stdout.flush()


def _changes_nothing(stream_map: StreamMap) -> bool:
    """Whether a map gives back what it gets: asked of every row, it is told here in a tenth of the time that it takes itself."""
    flattening = stream_map.flattening_options
    return type(stream_map) is SameRecordTransform and (flattening is None or not flattening.enabled)


def _end_of_line(lines: bytes, number: int) -> int:
    """Where the line of this number ends, counted from 1."""
    end = -1
    for _ in range(number):
        end = lines.index(b"\n", end + 1)
    return end


def _remove(files: Iterable[BatchFile]) -> None:
    """Remove files whose rows are delivered; one that can't be is left to whoever wrote it."""
    for file in files:
        try:
            file.remove()
        except OSError as error:
            _LOG.warning("The batch file %s is delivered and can't be removed: %s", file.url, error)
