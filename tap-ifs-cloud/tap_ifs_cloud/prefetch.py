"""The next page is asked for while the last one is still worked on."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from concurrent.futures import Future

T = TypeVar("T")


class _End:
    """What comes after the last page."""


_END: Final = _End()


def ahead(pages: Iterator[T], *, depth: int = 1, name: str = "pages") -> Generator[T, None, None]:
    """The same pages in the same order, read by a thread of their own while the consumer works on the one before.

    One page is asked for at a time, and none before the one before it was received: which page is next can depend on it. An error
    comes in the place of the page that could not be read. Where the consumer stops early, the page that is under way is
    awaited, no further one is asked for, and ``pages`` is closed: no thread outlives the generator.

    Args:
        pages: what to read; its code runs in the other thread alone, and there one step at a time.
        depth: most pages that wait for the consumer; with the one in work this bounds the memory.
        name: of the thread.

    Raises:
        ValueError: ``depth`` is less than one.
    """
    if depth < 1:
        raise ValueError(f"at least one page is read ahead, not {depth}")
    return _ahead(pages, depth, name)


def _ahead(pages: Iterator[T], depth: int, name: str) -> Generator[T, None, None]:
    reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
    waiting: deque[Future[T | _End]] = deque()
    try:
        waiting.extend(reader.submit(next, pages, _END) for _ in range(depth))
        while not isinstance(page := waiting.popleft().result(), _End):
            waiting.append(reader.submit(next, pages, _END))
            yield page
    finally:
        for unread in waiting:
            unread.cancel()
        if close := getattr(pages, "close", None):
            reader.submit(close)
        reader.shutdown()
