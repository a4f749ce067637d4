"""What one process of a run tells the ledger: opened before anything is sent, closed with the process's exit code."""

from __future__ import annotations

import logging
import os
import re
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import ExitCode, IfsBiError
from ifs_bi_core.ledger.retention import (
    RETAIN_PAYLOAD_DAYS,
    RETAIN_TRAIL_DAYS,
    days,
    prune_destination,
    prune_now_and_then,
)
from ifs_bi_core.ledger.runs import DEFAULT_STATE_DIR, Ledger
from ifs_bi_core.logs import set_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from ifs_bi_core.ledger.runs import Run

RUN_ID = "MELTANO_RUN_ID"
"""The environment variable that may name the run: Meltano's own."""

_NAME = re.compile(r"[\w.:-]{1,64}")

ACCOUNT_SETTINGS = (
    th.Property(
        "state_dir",
        th.StringType(min_length=1),
        default=str(DEFAULT_STATE_DIR),
        title="State folder",
        description="Folder of what has to outlive a run: the ledger, batches on their way, dead letters, the vault",
    ),
    th.Property(
        "ledger_url",
        th.StringType(min_length=1),
        title="Ledger URL",
        description="The account of every row: `sqlite:///path` or `postgresql://user:password@host/name`, which several "
        "machines may share; `env:NAME` or `vault:NAME` keep the password out of files. Default: `ledger.db` in `state_dir`",
    ),
)
"""Settings of every plugin."""

TARGET_SETTINGS = (
    *ACCOUNT_SETTINGS,
    th.Property(
        "on_row_error",
        th.StringType,
        allowed_values=["dead_letter", "fail"],
        default="dead_letter",
        title="On row error",
        description="What happens to a row that can't be delivered as it is. dead_letter: it is put aside with the reason, the "
        "run goes on and ends with exit code 3. fail: the run stops there with exit code 1",
    ),
    th.Property(
        "retain_payload_days",
        th.NumberType(minimum=0),
        default=RETAIN_PAYLOAD_DAYS,
        title="Days that delivered rows are kept",
        description="How long batch files keep the content of rows that were delivered",
    ),
    th.Property(
        "retain_trail_days",
        th.NumberType(minimum=0),
        default=RETAIN_TRAIL_DAYS,
        title="Days that trails are kept",
        description="How long `ifs-bi ledger find` knows what became of a row that was delivered",
    ),
)
"""Settings of every target."""


class Account:
    """The ledger, and the run of this process in it.

    Args:
        plugin: the command's name.
        version: of its package.
        config: the resolved settings.

    Attributes:
        ledger: open.
        state_dir: the folder that belongs to it.

    Raises:
        ConfigError: the ledger is full, locked, damaged, not writable, or newer than this package.
    """

    def __init__(self, plugin: str, version: str, config: Mapping[str, Any]) -> None:
        self.state_dir = Path(config.get("state_dir") or DEFAULT_STATE_DIR)
        self.ledger = Ledger.open(config.get("ledger_url"), self.state_dir)
        self._plugin = plugin
        self._version = version
        self._config = config
        self._name = _valid(os.environ.get(RUN_ID))
        self._log = logging.getLogger(plugin)

    @cached_property
    def run(self) -> Run:
        """The run, which begins when it is first asked for."""
        run = self.ledger.begin_run(self._plugin, self._version, run=self._name)
        set_run(run.id)
        return run

    def begin(self) -> None:
        """Begin the run, unless it has begun."""
        self._log.debug("The ledger calls this run %s.", self.run.id)

    def join(self, name: Any) -> None:
        """Be a part of the run of this name, which the process before it in the pipe gave; no effect once a run has begun."""
        self._name = _valid(name) or self._name

    @contextmanager
    def closing(self, code: Callable[[], ExitCode]) -> Iterator[None]:
        """Say at the end of the block how the process ends, by ``code`` or by the error that came.

        Raises:
            LedgerError: that can't be said, after a run that was all right.
        """
        try:
            yield
            ended = code()
        except BaseException as error:
            with suppress(IfsBiError):  # the error that ended the run is the one to be told
                self._end(error.exit_code if isinstance(error, IfsBiError) else ExitCode.FAILED)
            raise
        self._end(ended)

    def _end(self, code: ExitCode) -> None:
        self.run.end(code)
        if self._removes:
            self._remove()
        self.ledger.close()

    @property
    def _removes(self) -> bool:
        """How long a target's rows are kept is for its settings to say; a tap removes what is old where no target keeps any."""
        return "retain_trail_days" in self._config or not (self.state_dir / "batches").exists()

    def _remove(self) -> None:
        """Remove what is older than it has to be, at most once a day."""
        payload_days = self._days("retain_payload_days", RETAIN_PAYLOAD_DAYS)
        trail_days = self._days("retain_trail_days", RETAIN_TRAIL_DAYS)
        try:
            if prune_now_and_then(self.ledger, retain_payload_days=payload_days, retain_trail_days=trail_days):
                DeadLetters(self.state_dir).prune(self.ledger.clock() - days(payload_days))
        except (IfsBiError, OSError) as error:
            self._warn_of_what_stays(error)

    def prune_destination(self, destination: str, forget: Callable[[datetime], None]) -> None:
        """Have a destination forget, at most once a day, what it remembers of batches that nobody will ask it for.

        Args:
            destination: as its batches were given.
            forget: is given the time of its oldest memory that may be asked for. An error of it is a warning.
        """
        trail_days = self._days("retain_trail_days", RETAIN_TRAIL_DAYS)
        try:
            prune_destination(self.ledger, destination, forget, retain_trail_days=trail_days)
        except (IfsBiError, OSError) as error:
            self._warn_of_what_stays(error)

    def _warn_of_what_stays(self, error: Exception) -> None:
        """Nothing is lost by what is kept too long."""
        self._log.warning("What is older than it has to be was not removed: %s", error)

    def _days(self, setting: str, otherwise: float) -> float:
        number = self._config.get(setting)
        return otherwise if number is None else number


def _valid(name: Any) -> str | None:
    """The name, if it can be one of a run."""
    return name if isinstance(name, str) and _NAME.fullmatch(name) else None
