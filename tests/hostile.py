"""What no good neighbour sends, for tests of what every command does with it, and what each has to say then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from ifs_bi_core.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = st.text(max_size=6) | st.sampled_from(
    ['"; DROP TABLE orders; --', "\\", "'", "{{", "%s", "\ud800", "a\0b", "id", "_sdc_deleted_at", "x" * 5000]
)
"""Texts that end or escape something somewhere, or are none."""

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS

VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
"""What JSON can say, and what Python's writer of JSON says beyond it."""


def refusal(act: Callable[[], object], *kinds: type[Exception]) -> str | None:
    """What was said in refusing, by an error of these kinds; None where nothing was refused."""
    try:
        act()
    except kinds as error:
        return str(error)
    return None


def last_said(err: str) -> str:
    """The last line on standard error that a person has to read, without when and where it was said."""
    lines = [line for line in err.splitlines() if line and " INFO " not in line]
    return lines[-1].rpartition(" | ")[2] if lines else ""


def assert_told(code: int, err: str) -> None:
    """A command ended as commands of this project do, and a person knows why."""
    assert code in set(ExitCode), err[-2000:]
    assert "Traceback" not in err
    assert "was not made for" not in err, last_said(err)
    if code != ExitCode.DONE:
        assert last_said(err).endswith((".", "?")), last_said(err)
