"""One rate limit for all processes of a machine that call one service, kept in a small file.

IFS Cloud counts the calls of a tenant, not of a process (docs/adr/0011). So parallel runs write down, in a file that they share,
when each call began: on the monotonic clock, which Linux and macOS have once for the whole machine. The file holds a header
and then one double a call, oldest first. A call may begin when the call ``limit`` places before it is older than the window,
whoever made it; so processes with different limits and windows can share a file, and each keeps its own limit.

What a file does not tell is taken as late as it can have been. A moment in the future is from before the machine started, so
it passes as the moment of the start. A file that is damaged passes as full until now.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import re
import struct
import threading
import time
from array import array
from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ifs_bi_core.disk import lock_taken
from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.http.limits import SHORTEST_WAIT, whole_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LAYOUT = b"ifs-bi01"
_HEADER = struct.Struct("=8sdd")
"""Layout; the moment by which every call had begun that was dropped; the longest window."""
_CALL = struct.Struct("=d")
_CALLS_BETWEEN_CLEARINGS = 1024
_PATIENCE_SECONDS = 30.0  # the lock is held for microseconds, unless a process was stopped in just these
_NEVER = -math.inf


def shared_limit(
    state_dir: Path,
    service: str,
    address: str,
    limit: float,
    seconds: float = 60.0,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> SharedWindow:
    """The limit of a service that is called at ``address``, for all processes that have the same ``state_dir``.

    Args:
        state_dir: where plugins keep what they remember; the file is ``limits/<service>-<host>-<hash>.times`` in it.
        service: a short word for the service and for what it counts by: ``ifs-cloud``.
        address: what the service counts calls for: usually its base URL; a tenant or client may be added to it.
        limit: calls a window.
        seconds: length of the window.
        clock: monotonic seconds, the same for all processes of the machine.
        sleep: waits the given seconds.

    Raises:
        ConfigError: the folder or the file can't be written.
    """
    plain = address.strip().rstrip("/").lower()
    host = re.sub(r"[^a-z0-9.-]", "_", urlsplit(plain).hostname or "none")
    digest = hashlib.sha256(plain.encode()).hexdigest()[:12]
    path = state_dir / "limits" / f"{service}-{host}-{digest}.times"
    return SharedWindow(path, limit, seconds, clock=clock, sleep=sleep)


class SharedWindow:
    """Lets at most ``limit`` calls begin in any window of ``seconds``, counting those of all processes that share ``path``.

    An `acquire` that needn't wait takes about 20 µs. Safe to share between threads and over a fork.

    Args:
        path: the file; it and its folder are made when absent, for this user alone.
        limit: calls a window.
        seconds: length of the window.
        clock: monotonic seconds, the same for all processes of the machine.
        sleep: waits the given seconds; never called while the file is locked.

    Raises:
        ConfigError: the folder or the file can't be written.
    """

    def __init__(
        self,
        path: Path,
        limit: float,
        seconds: float = 60.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit, self._seconds = whole_calls(limit, seconds)
        self._path = path
        self._clock = clock
        self._sleep = sleep
        self._turn = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked() as handle:
                _Calls(handle, path, self._clock(), self._seconds)
        except OSError as error:
            raise ConfigError(
                f"The calls of this machine can't be counted in {path}: {error.strerror}. "
                f"Point state_dir to a folder that this user can write to, then run again."
            ) from None

    def acquire(self) -> None:
        """Wait until one more call may begin, and count it.

        Raises:
            IfsBiError: the file can no longer be written, or another process held it for 30 seconds.
        """
        with self._turn:  # waiting inside keeps the order of arrival within this process
            while (wait := self._begin()) is not None:
                self._sleep(max(wait, SHORTEST_WAIT))

    def _begin(self) -> float | None:
        """Count a call that begins now, or say after how many seconds to ask again."""
        try:
            with self._locked() as handle:
                now = self._clock()
                calls = _Calls(handle, self._path, now, self._seconds)
                wait = calls.latest(self._limit) + self._seconds - now
                if wait >= 0:  # a call exactly `seconds` old still shares a closed window with a new one
                    return wait
                calls.add()
                return None
        except OSError as error:
            raise IfsBiError(
                f"The calls of this machine can no longer be counted in {self._path}: {error.strerror}. "
                f"Make room or mend the folder's rights, then run again."
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The open file, while no other process uses it.

        It is opened anew each time: it may have been removed since, or this process forked, and a fork shares its parent's lock.
        """
        give_up = self._clock() + _PATIENCE_SECONDS
        while True:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                if _taken(handle):
                    yield handle
                    return
            finally:
                os.close(handle)
            if self._clock() >= give_up:
                raise IfsBiError(
                    f"Another process has held {self._path} for {_PATIENCE_SECONDS:.0f} seconds. "
                    f"Let it go on or end it, then run again."
                )
            self._sleep(SHORTEST_WAIT)


def _taken(handle: int) -> bool:
    """Whether the lock of an open file is now ours, and the file still has a name, so that others will find it."""
    return lock_taken(handle) and os.fstat(handle).st_nlink > 0


class _Calls:
    """The content of the file, while it is locked, seen at the moment ``now`` by a process with a window of ``seconds``."""

    def __init__(self, handle: int, path: Path, now: float, seconds: float) -> None:
        self._handle = handle
        self._path = path
        self._now = now
        size = os.fstat(handle).st_size
        self._count, rest = divmod(size - _HEADER.size, _CALL.size)
        head = os.pread(handle, _HEADER.size, 0)
        layout, self._dropped, self._longest = _HEADER.unpack(head) if len(head) == _HEADER.size else (b"", 0.0, 0.0)
        sound = layout == _LAYOUT and not rest and not math.isnan(self._dropped) and 0 < self._longest < math.inf
        if not sound:
            self._start_over(_NEVER if size == 0 else now, seconds)
        elif seconds > self._longest:
            self._longest = seconds
            os.pwrite(handle, self._header(), 0)

    def latest(self, place: int) -> float:
        """The moment by which the call had begun that is the ``place``-th latest; minus infinity where there was none."""
        if place > self._count:
            return self._possible(self._dropped)
        (moment,) = _CALL.unpack(os.pread(self._handle, _CALL.size, self._offset(self._count - place)))
        if not moment >= 0:
            self._start_over(self._now, self._longest)
            return self._now
        return self._possible(moment)

    def add(self) -> None:
        """Write down a call that begins now."""
        os.pwrite(self._handle, _CALL.pack(self._now), self._offset(self._count))
        self._count += 1
        if self._count % _CALLS_BETWEEN_CLEARINGS == 0:
            self._clear()

    def _clear(self) -> None:
        """Drop what no window reaches any more, once that is at least half of the file.

        The rest is copied to the front and stays at the end until the file is cut: a process that is killed in between leaves the
        latest calls in their places.
        """
        calls = array("d", os.pread(self._handle, self._count * _CALL.size, _HEADER.size))
        reached = takewhile(lambda moment: self._possible(moment) + self._longest >= self._now, reversed(calls))
        keep = sum(1 for _ in reached)
        if keep * 2 > len(calls):
            return
        gone = len(calls) - keep
        self._dropped = max(self._possible(self._dropped), *map(self._possible, calls[:gone]))
        self._count = keep
        os.pwrite(self._handle, self._header() + calls[gone:].tobytes(), 0)
        os.ftruncate(self._handle, self._offset(keep))

    def _start_over(self, dropped: float, longest: float) -> None:
        if dropped != _NEVER:
            logging.getLogger(__name__).warning(
                "%s is damaged, so the calls of the last %.0f seconds are not known. The next one waits as long.",
                self._path,
                longest,
            )
        self._count, self._dropped, self._longest = 0, dropped, longest
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, self._header(), 0)

    def _possible(self, moment: float) -> float:
        """A moment of the file as it can have been: in the future it is from before the start of the machine, at second 0."""
        return moment if moment <= self._now else 0.0

    def _header(self) -> bytes:
        return _HEADER.pack(_LAYOUT, self._dropped, self._longest)

    @staticmethod
    def _offset(place: int) -> int:
        return _HEADER.size + place * _CALL.size
