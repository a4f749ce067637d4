"""A run of the target that changes nothing: it reads from Power BI, writes to nowhere, and waits in no time.

What a run would do is not computed a second time: it is the target itself, with a workspace that only notes what it is told, with
a copy of the kept rows, and with a clock that waits move on.
"""

from __future__ import annotations

import io
import logging
import sqlite3
from collections import Counter
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import IfsBiError
from ifs_bi_core.http.client import REAL, Surroundings
from ifs_bi_core.redaction import REDACTOR

from target_powerbi.api import PowerBI
from target_powerbi.kept import Kept, file_of
from target_powerbi.target import TargetPowerBI

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from target_powerbi.api import Dataset
    from target_powerbi.pace import Turn
    from target_powerbi.settings import Settings

TO_BE_MADE = "to be made"
"""Stands for the id of a dataset that is not there yet."""

_MOST_NOTES = 50
_LOGGERS = ("target_powerbi", "target-powerbi", "ifs_bi_core", "singer_sdk")


@dataclass
class Doing:
    """What a run does to one table.

    Attributes:
        added: rows that are appended to what the table shows.
        rewritten: rows that it is filled with after it was emptied.
        requests: that bring them.
        emptied: whether all rows were taken out.
        definition: the last one that Power BI is told, or None.
    """

    added: int = 0
    rewritten: int = 0
    requests: int = 0
    emptied: bool = False
    definition: Mapping[str, Any] | None = None


class Workspace(PowerBI):
    """A workspace that answers questions as the real one and only notes what would change it.

    Args:
        real: answers.

    Attributes:
        created: tables and relationships of the dataset that is made; None where none is.
        doings: what is done to tables, by name.
    """

    def __init__(self, real: PowerBI) -> None:
        self.created: tuple[int, int] | None = None
        self.doings: dict[str, Doing] = {}
        self._real = real
        self._posts: dict[str, dict[str, int]] = {}
        self._numbers: dict[str, set[int]] = {}

    def doing(self, table: str) -> Doing:
        """What is done to a table."""
        return self.doings.setdefault(table, Doing())

    def datasets(self) -> list[Dataset]:
        """As the real ones."""
        return self._real.datasets()

    def dataset(self, dataset_id: str) -> Dataset:
        """As the real one."""
        return self._real.dataset(dataset_id)

    def tables(self, dataset_id: str) -> list[str]:
        """As the real ones."""
        return self._real.tables(dataset_id)

    def query(self, dataset_id: str, dax: str, *, operation: str) -> list[dict[str, Any]]:
        """As the real one answers."""
        return self._real.query(dataset_id, dax, operation=operation)

    def create(
        self,
        name: str,  # noqa: ARG002 - the signature is that of `PowerBI`
        tables: list[dict[str, Any]],
        relationships: list[dict[str, str]] | None = None,
        *,
        retention: str = "none",  # noqa: ARG002
    ) -> str:
        """Note it."""
        self.created = len(tables), len(relationships or ())
        return TO_BE_MADE

    def put_table(self, dataset_id: str, table: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Note it."""
        self.doing(table["name"]).definition = table

    def post_rows(
        self,
        dataset_id: str,  # noqa: ARG002
        table: str,
        rows: int,
        body: bytes,
        *,
        turn: Turn,
        number: int | None = None,
    ) -> None:
        """Note it, when its turn comes."""
        turn.acquire()
        turn.end(stored=True)
        doing = self.doing(table)
        doing.requests += 1
        doing.added += 0 if doing.emptied else rows
        doing.rewritten += rows if doing.emptied else 0
        _, name, _ = body.rsplit(
            b'"', 2
        )  # the POST's name is the last text of its body, where the table has a column for it
        self._posts.setdefault(table, {})[name.decode(errors="replace")] = rows
        if number is not None:
            self._numbers.setdefault(table, set()).add(number)

    def delete_rows(self, dataset_id: str, table: str) -> None:  # noqa: ARG002
        """Note it."""
        doing = self.doing(table)
        doing.emptied, doing.rewritten = True, 0
        self._posts[table] = {}

    def count_post(self, dataset_id: str, table: str, name: str) -> int | None:
        """As the real one answers, but for rows that were only noted and those that would be gone."""
        noted = self._posts.get(table, {})
        if name in noted or dataset_id == TO_BE_MADE or self.doing(table).emptied:
            return noted.get(name, 0)
        return self._real.count_post(dataset_id, table, name)

    def sequence_numbers(self, dataset_id: str, table: str) -> frozenset[int] | None:
        """As the real one answers, with those that were noted."""
        if dataset_id == TO_BE_MADE:
            return frozenset(self._numbers.get(table, ()))
        real = self._real.sequence_numbers(dataset_id, table)
        return None if real is None else real | self._numbers.get(table, set())


class Rehearsal(TargetPowerBI):
    """The target without consequences.

    Args:
        config: the resolved settings.
        folder: takes the copy of the kept rows, and what a run writes beside it.

    Attributes:
        waited: seconds that the limits of Power BI took so far.
        problems: why a stream would end the run, by stream.
        read: rows that came, by stream.
    """

    def __init__(self, config: Mapping[str, Any], folder: Path) -> None:
        self.waited = 0.0
        self.problems: dict[str, IfsBiError] = {}
        self.read: Counter[str] = Counter()
        super().__init__(config={**config, "state_dir": str(folder), "ledger_url": None})
        self.surroundings = Surroundings(lambda: REAL.clock() + self.waited, self._wait)

    def _wait(self, seconds: float) -> None:
        self.waited += seconds

    def connected(self) -> PowerBI:
        """The real workspace for questions, behind one that notes everything else; it waits as everybody."""
        virtual, self.surroundings = self.surroundings, REAL
        try:
            self.workspace = Workspace(super().connected())
        finally:
            self.surroundings = virtual
        return self.workspace

    def rehearse(self, lines: Iterable[bytes]) -> None:
        """Do what a run does with these lines.

        Raises:
            IfsBiError: it would end the run.
        """
        with redirect_stdout(io.StringIO()), closing(self), self.account.closing(self.exit_code):
            _ = self.run  # looked up before the first line comes: what is wrong about a dataset is no stream's fault
            self.listen(lines)  # type: ignore[arg-type]  # it is only iterated over

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        """A stream that would end the run is put aside, so that the others are looked at too."""
        stream = str(message_dict.get("stream"))
        try:
            super()._process_schema_message(message_dict)
        except IfsBiError as error:
            self.problems.setdefault(stream, error)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        stream = str(message_dict.get("stream"))
        self.read[stream] += 1
        if stream not in self.problems:
            super()._process_record_message(message_dict)

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        if message_dict.get("stream") not in self.problems:
            super()._process_activate_version_message(message_dict)


def copy_kept(settings: Settings, folder: Path) -> Path:
    """A copy of the dataset's kept rows in another folder; its path, where none is when nothing is kept.

    Raises:
        ConfigError: a run is going on.
    """
    file = file_of(settings)
    copy = folder / file.name
    if file.exists():
        with closing(Kept(file)) as kept, closing(sqlite3.connect(copy)) as database:
            kept.database.backup(database)
    return copy


@contextmanager
def overheard() -> Iterator[list[str]]:
    """The warnings that are logged inside; nobody else hears them."""
    notes = _Notes()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(notes)
        logger.propagate = False
    try:
        yield notes.told
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.removeHandler(notes)
            logger.propagate = propagate


class _Notes(logging.Handler):
    """Gathers warnings, each of them once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno > logging.WARNING:  # the SDK announces an error that is told all the same
            return
        sentence = REDACTOR.redact(record.getMessage())
        if sentence not in self.told and len(self.told) < _MOST_NOTES:
            self.told.append(sentence)
