"""The answers of the ledger as text for people: pure, and no wider than 80 columns where names allow it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ifs_bi_core.ledger.history import Balance, Part, RunView
    from ifs_bi_core.ledger.retention import Pruned
    from ifs_bi_core.ledger.stories import Story

_NAME_WIDTH = 24  # of a stream in a table
_MANY = 10  # batches that are shown one by one


def runs_text(parts: Sequence[Part]) -> str:
    """One line a process."""
    head = f"{'RUN':<22} {'PLUGIN':<23} {'STARTED':<16} {'TOOK':>6} {'END':<9}"
    lines = (
        f"{part.run:<22} {part.plugin:<23} {_minute(part.started):<16} {_took(part):>6} {part.status:<9}"
        for part in parts
    )
    return _joined([head, *lines])


def run_text(view: RunView) -> str:
    """A run: its processes, requests, pages, batches."""
    blocks = [f"Run {view.run}"]
    for part in view.parts:
        code = "" if part.exit_code is None else f" (exit code {part.exit_code})"
        blocks.append(f"  {part.plugin} {part.version} on {part.host}, process {part.pid}")
        blocks.append(f"    started {part.started}")
        blocks.append(f"    ended   {part.ended or '-'}: {part.status}{code}")
    if view.services:
        blocks += ["", f"{'SERVICE':<20} {'OUTCOME':<20} {'REQUESTS':>9} {'SECONDS':>9} {'SENT':>9} {'READ':>8}"]
        blocks += [
            f"{s.service:<20} {s.outcome:<20} {s.requests:>9,} {s.seconds:>9,.1f} {_size(s.sent_bytes):>9} "
            f"{_size(s.received_bytes):>8}"
            for s in view.services
        ]
    if view.pulled:
        blocks += ["", f"{'PULLED':<{_NAME_WIDTH}} {'PAGES':>8} {'ROWS':>12}  FIRST AND LAST KEY"]
        for pull in view.pulled:
            blocks.append(f"{pull.stream:<{_NAME_WIDTH}} {pull.pages:>8,} {pull.rows:>12,}  {pull.first_key or '-'}")
            if pull.last_key:
                blocks.append(f"{'':<{_NAME_WIDTH + 24}}{pull.last_key}")
    blocks += _batch_lines(view)
    blocks += [
        f"{stream}: {rows:,} rows were refused before they came into a batch" for stream, rows in view.dead.items()
    ]
    return _joined(blocks)


def _batch_lines(view: RunView) -> list[str]:
    totals: dict[tuple[str, str], dict[str, int]] = {}
    for push in view.batches:
        total = totals.setdefault((push.stream, push.destination), {"batches": 0})
        total["batches"] += 1
        for state, rows in push.rows.items():
            total[state] = total.get(state, 0) + rows
    lines = [""] if totals else []
    for (stream, destination), total in totals.items():
        batches = total.pop("batches")
        lines.append(f"{stream} to {destination}: {_counted(batches, 'batch', 'batches')}")
        lines += [f"  {state:<14} {rows:>12,} rows" for state, rows in sorted(total.items())]
    told = [push for push in view.batches if push.reason]
    for push in told[:_MANY]:
        lines += [f"  batch {push.batch}, written {_minute(push.at)} on {push.host}", f"    {push.reason}"]
    if len(told) > _MANY:
        lines.append(f"  and {len(told) - _MANY} more with a reason: --json shows them all")
    return lines


def balance_text(balance: Balance) -> str:
    """The balance of each stream, and what it means."""
    blocks = [f"Run {balance.run}{'' if balance.complete else ', which did not come to its end'}"]
    blocks += [f"{stream}: {rows:,} rows pulled" for stream, rows in balance.pulled.items()]
    if balance.streams:
        blocks.append(
            f"{'STREAM':<{_NAME_WIDTH}} {'READ':>10} = {'ACKNOWL.':>10} + {'DEAD':>6} + {'UNKNOWN':>8} {'':>6}"
        )
    for line in balance.streams:
        blocks.append(
            f"{line.stream:<{_NAME_WIDTH}} {line.read:>10,} = {line.acknowledged:>10,} + {line.dead:>6,} + {line.unknown:>8,} "
            f"{'holds' if line.holds else 'BROKEN':>6}"
        )
        if line.again:
            blocks.append(f"  {line.again:,} of them were left for the next run: the state was not moved past them")
        if line.waiting:
            blocks.append(f"  {line.waiting:,} lie on disk without an answer: the next run of the target resolves them")
    if not balance.streams:
        blocks.append("No target took part in this run, so there is nothing to balance.")
    elif not balance.holds:
        blocks.append("Rows are not accounted for. Run the target again, which resolves what was left, then ask again.")
    return _joined(blocks)


def stories_text(stream: str, stories: Sequence[Story]) -> str:
    """The ways of one record, one after the other."""
    if not stories:
        return f"No batch carried this record of {stream}, as far as the ledger goes back."
    blocks = [f"{stream} {stories[0].key}"]
    for story in stories:
        version = f", version {story.row_version}" if story.row_version else ""
        gone = ", gone at the source" if story.deleted else ""
        blocks += ["", f"{story.fate.upper()} at {story.destination}{version}{gone}"]
        row = "" if story.position is None else f", row {story.position}"
        blocks.append(f"  run {story.run}, {f'batch {story.batch}{row}' if story.batch else 'not in a batch'}")
        blocks += [f"  {m.at:<27} {m.what:<12} {m.note or ''}" for m in story.moments]
    return _joined(blocks)


def pruned_text(pruned: Pruned) -> str:
    """What was removed."""
    removed = (
        _counted(pruned.payloads, "payload", "payloads"),
        _counted(pruned.trails, "trail", "trails"),
        _counted(pruned.runs, "run", "runs"),
        _counted(pruned.left_behind, "file of a killed process", "files of killed processes"),
    )
    return f"Removed {', '.join(removed)}: {_size(pruned.freed_bytes)}."


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(line.rstrip() for line in lines)


def _minute(at: str) -> str:
    return at[:16].replace("T", " ")


def _took(part: Part) -> str:
    if part.ended is None:
        return "-"
    seconds = (datetime.fromisoformat(part.ended) - datetime.fromisoformat(part.started)).total_seconds()
    minutes, rest = divmod(round(seconds), 60)
    return f"{seconds:.1f}s" if not minutes else f"{minutes}m{rest:02d}s"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if abs(count) < 1000:  # noqa: PLR2004 - what the prefix means
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
