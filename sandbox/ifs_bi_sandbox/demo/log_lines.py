"""Lines of Meltano's JSON log, and what they say of the rows that move."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

METRIC_MARK = "METRIC"  # how the Singer SDK begins a measurement
METRIC = "record_count"  # a counter of the Singer SDK: rows since the last such line of the stream


@dataclass(frozen=True)
class RowsRead:
    """That a tap read rows of a stream."""

    stream: str
    rows: int


@dataclass(frozen=True)
class LogLine:
    """One line of output.

    Attributes:
        event: what happened.
        text: the line as a person wants to read it.
        frames: of the traceback that came with it, the innermost last.
        facts: the line's JSON object; empty for a line that is none.
    """

    event: str
    text: str
    frames: tuple[str, ...]
    facts: dict[str, Any]

    @classmethod
    def read(cls, line: str) -> LogLine:
        """The line of that text; anything but a JSON object is a line all the same."""
        plain = line.rstrip("\n")
        try:
            facts = json.loads(plain)
        except ValueError:
            facts = None
        if not isinstance(facts, dict):
            return cls(plain, plain, (), {})
        event = str(facts.get("event", plain))
        if metric := _metric(facts):
            event = f"{METRIC_MARK}: {metric.get('metric')} {_tags(metric).get('stream', '')} {metric.get('value')}"
        source = facts.get("string_id") or "meltano"
        errors = _errors(facts)
        reasons = [f"{error.get('exc_type') or error.get('type')}: {_message(error)}" for error in errors]
        told = (facts.get("timestamp"), facts.get("level"), source, event, *reasons)
        frames = [_frame(frame) for error in errors for frame in error.get("frames") or error.get("traceback") or ()]
        return cls(event, "  ".join(str(part) for part in told if part), tuple(frames), facts)

    @property
    def is_metric(self) -> bool:
        """Whether the line is a measurement: a log is full of them."""
        return self.event.startswith(METRIC_MARK)

    @property
    def rows_read(self) -> RowsRead | None:
        """The rows that the tap counted, where this line says so."""
        metric = _metric(self.facts)
        if not self.facts.get("producer") or metric.get("metric") != METRIC:
            return None
        return RowsRead(str(_tags(metric).get("stream")), int(metric["value"]))

    @property
    def replication_keys(self) -> dict[str, str]:
        """The replication keys by stream, where this line is a Singer state."""
        state = self.facts.get("singer_state")
        bookmarks = state.get("bookmarks", {}) if isinstance(state, dict) else {}
        return {
            stream: bookmark["replication_key"]
            for stream, bookmark in bookmarks.items()
            if isinstance(bookmark, dict) and bookmark.get("replication_key")
        }


def _metric(facts: dict[str, Any]) -> dict[str, Any]:
    metric = facts.get("metric_info")
    return metric if isinstance(metric, dict) else {}


def _tags(metric: dict[str, Any]) -> dict[str, Any]:
    tags = metric.get("tags")
    return tags if isinstance(tags, dict) else {}


def _errors(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The exceptions that a line tells of: Meltano's are a list, a plugin's is an object."""
    found = facts.get("exception") or facts.get("plugin_exception") or []
    return [error for error in (found if isinstance(found, list) else [found]) if isinstance(error, dict)]


def _message(error: dict[str, Any]) -> str:
    return str(error.get("exc_value") or error.get("message") or "")


def _frame(frame: object) -> str:
    if not isinstance(frame, dict):
        return str(frame)
    return f"{frame.get('filename')}:{frame.get('lineno')} in {frame.get('name') or frame.get('function')}"
