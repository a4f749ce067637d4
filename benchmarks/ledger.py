"""What the ledger costs and how fast it answers: 10 million record trails in batches of 10,000.

`python benchmarks/ledger.py [batches]`. Ends with 1 where `find` takes 2 s or a batch more CPU than it may.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from ifs_bi_core.ledger.history import balance
from ifs_bi_core.ledger.keys import key_text
from ifs_bi_core.ledger.retention import prune
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.stories import find
from ifs_bi_core.ledger.trail import TrailRow

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCHES = 1_000
ROWS = 10_000
STREAM, DESTINATION = "order_lines", "bench"
_READ_AT = "2026-11-22T10:20:30.000000Z"
_MOST_SECONDS = 2.0
_MOST_CPU = 0.060  # seconds to put 10,000 rows of 25 columns on disk


class Timer:
    """Seconds of wall clock and CPU, summed."""

    def __init__(self) -> None:
        self.wall = 0.0
        self.cpu = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Time a block."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu


def trail_rows(batch: int, payloads: list[bytes]) -> list[TrailRow]:
    """A batch; every record is its own, except one that is in each."""
    numbers = [0, *range(batch * ROWS + 1, (batch + 1) * ROWS)]
    return [
        TrailRow(
            _key(number),
            f"2026-11-22T10:20:{number % 60:02d}.{number % 1_000_000:06d}Z",
            _READ_AT,
            _READ_AT,
            payload=payload,
        )
        for number, payload in zip(numbers, payloads, strict=True)
    ]


def _payload(number: int) -> bytes:
    """A row of 25 columns and about 700 bytes."""
    day = f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}"
    row: dict[str, object] = {"OrderNo": f"{number:010d}", "LineNo": number % 100, "Objstate": "Released"}
    row |= {f"Amount{n}": f"{number * (37 + n) % 100_000}.{number % 100:02d}" for n in range(8)}
    row |= {f"Text{n}": f"Text{n} of line {number}, plain words" for n in range(6)}
    row |= {f"Date{n}": day for n in range(3)} | {f"Moment{n}": f"{day}T10:20:30Z" for n in range(3)}
    return msgspec.json.encode(row | {"Closed": number % 2 == 0, "Blocked": False})


def _key(number: int) -> str:
    return key_text({"OrderNo": f"{number:010d}", "LineNo": number % 100}, ["LineNo", "OrderNo"])


def main(batches: int = BATCHES) -> int:
    """Fill a ledger, ask it, prune it, and print what it took."""
    payloads = [_payload(number) for number in range(ROWS)]
    write, push, answer = Timer(), Timer(), Timer()
    with tempfile.TemporaryDirectory() as folder:
        state_dir = Path(folder)
        ledger = Ledger.open(None, state_dir)
        run = ledger.begin_run("bench", "0")
        for number in range(batches):
            rows = trail_rows(number, payloads)
            with write():
                batch = run.write_batch(STREAM, DESTINATION, rows)
            with push():
                batch.pushing()
            with answer():
                batch.acknowledged()
            run.read(STREAM, ROWS)
        run.end(0)
        print(f"{batches * ROWS:,} records in {batches:,} batches")
        for name, timer in (("write_batch", write), ("pushing", push), ("acknowledged", answer)):
            print(
                f"  {name:<14}{timer.cpu / batches * 1e3:>9.2f} ms CPU {timer.wall / batches * 1e3:>9.2f} ms, a batch"
            )
        _print_size("with payloads", state_dir, batches)
        slowest = 0.0
        for number in (ROWS // 2, batches * ROWS - 1, batches * ROWS + 7):
            key = {"OrderNo": f"{number:010d}", "LineNo": number % 100}
            asked, opened = Timer(), Timer()
            with asked():
                with opened():
                    reader = Ledger.open(None, state_dir, create=False)
                found = find(reader, STREAM, key)
                reader.close()
            slowest = max(slowest, asked.wall)
            print(
                f"  find of a record in {len(found)} batches {asked.wall * 1e3:>9.0f} ms, {opened.wall * 1e3:.0f} of them to open"
            )
        everywhere = Timer()
        with everywhere():
            found = find(ledger, STREAM, {"OrderNo": f"{0:010d}", "LineNo": 0})
        print(f"  find of a record in {len(found)} batches {everywhere.wall * 1e3:>9.0f} ms")
        balanced = Timer()
        with balanced():
            held = balance(ledger, run.id).holds
        print(f"  balance, which {'holds' if held else 'IS BROKEN'} {balanced.wall * 1e3:>9.0f} ms")
        pruned = Timer()
        with pruned():
            prune(ledger, retain_payload_days=0)
        print(f"  prune of all payloads {pruned.wall:>9.1f} s")
        _print_size("without", state_dir, batches)
        ledger.close()
    return int(slowest >= _MOST_SECONDS or write.cpu / batches > _MOST_CPU or not held)


def _print_size(what: str, state_dir: Path, batches: int) -> None:
    files = sum(path.stat().st_size for path in state_dir.glob("batches/*/*.parquet"))
    database = sum(path.stat().st_size for path in state_dir.glob("ledger.db*"))
    records = batches * ROWS
    print(
        f"  {what:<14} batch files {files / 1e6:>9,.1f} MB ({files / records:.1f} bytes a record), "
        f"database {database / 1e6:,.1f} MB ({database / records:.1f})"
    )


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
