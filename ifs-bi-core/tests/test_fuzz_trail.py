"""A batch file that was damaged on disk is refused with a sentence, or gives what was written."""

import pytest
from hostile import refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.ledger import trail
from ifs_bi_core.ledger.database import LedgerError

ROWS = [
    trail.TrailRow(f'{{"id":"{n}"}}', None, f"2026-01-0{n % 9 + 1}T00:00:00Z", None, n % 3 == 0, f'{{"a":"{n}\u00e9"}}')
    for n in range(300)
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("trail") / "a.parquet"
    writer = trail.TrailWriter(path)
    writer.add(ROWS)
    writer.complete()
    return path.read_bytes()


@st.composite
def damages(draw):
    """Changes bytes, most of them near the end, where a Parquet file says what is in it."""
    part = draw(st.floats(0, 1) | st.floats(0.7, 1))
    length = draw(st.integers(0, 8))
    noise = draw(st.none() | st.binary(max_size=8))

    def damage(content):
        at = int(part * len(content))
        return content[:at] if noise is None else content[:at] + noise + content[at + length :]

    return damage


def holds_for(path, content):
    uses = [
        lambda: list(trail.read(path)),
        lambda: trail.lookup(path, ROWS[5].key),
        lambda: trail.drop_payload(path, bool),
    ]
    for use in uses:
        path.write_bytes(content)
        said = refusal(use, LedgerError)
        assert said is None or f"The batch file {path} can't be read" in said
        assert "\n" not in (said or "")


@settings(max_examples=60, deadline=None)
@given(damages())
def test_a_damaged_batch_file_is_read_or_refused_with_a_sentence(written, tmp_path_factory, damage):
    holds_for(tmp_path_factory.mktemp("damaged") / "a.parquet", damage(written))


@pytest.mark.prove
@settings(max_examples=3000, deadline=None)
@given(damages())
def test_a_damaged_batch_file_is_refused_over_many(written, tmp_path_factory, damage):
    holds_for(tmp_path_factory.mktemp("damaged") / "a.parquet", damage(written))


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 0.6), st.integers(0, 7))
def test_a_flipped_bit_in_the_rows_is_no_other_row(written, tmp_path_factory, part, bit):
    path = tmp_path_factory.mktemp("flipped") / "a.parquet"
    content = bytearray(written)
    content[int(part * len(content))] ^= 1 << bit
    path.write_bytes(content)
    try:
        rows = list(trail.read(path))
    except LedgerError:
        return
    assert rows == ROWS
