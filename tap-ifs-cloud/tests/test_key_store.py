"""What was delivered is remembered for the state that comes back, in little room, by one process at a time."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_ifs_cloud.delivered import GENERATIONS, Extent, Line
from tap_ifs_cloud.key_store import LINES, KeyStoreError
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.versions import Keys, Provisional, SecondsOver, version_of

ETAG = 'W/"Vy8iQUFBWkkyQUFoQUFBNXZUQUFBOjIwMjUxMDA4MTcxNjEwIg=="'
S, OTHER = Extent("s"), Extent("other")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "delivered" / "system.db"


def test_a_line_goes_on_from_its_token_and_knows_what_was_noted(file):
    with Line(file, S, "q", None) as line:
        assert not line.known
        line.note([(b"1", 5), (b"2", "etag")])
        token = line.token()
    with Line(file, S, "q", token) as line:
        assert line.known
        assert (line.version(b"1"), line.version(b"2"), line.version(b"3")) == (5, "etag", None)
        assert line.token() == token


@pytest.mark.parametrize(("stream", "question", "token"), [("t", "q", None), ("s", "r", None), ("s", "q", "elsewhere")])
def test_another_stream_question_or_token_is_another_line(file, stream, question, token):
    with Line(file, S, "q", None) as line:
        line.note([(b"1", 5)])
        given_token = line.token()
    with Line(file, Extent(stream), question, token or given_token) as line:
        assert not line.known
        assert line.count() == 0


def test_an_older_token_makes_uncertain_what_was_touched_since_and_forgets_no_key(file):
    with Line(file, S, "q", None) as line:
        line.note([(b"1", 1), (b"2", 1), (b"3", 1)])
        older = line.token()
    with Line(file, S, "q", older) as line:
        line.note([(b"2", 2), (b"4", 2)])
        line.note_gone([b"3"])
        line.token()
    with Line(file, S, "q", older) as line:
        assert [line.version(key) for key in (b"1", b"2", b"3", b"4")] == [1, None, None, None]
        assert line.count() == 4
        line.begin_scan()
        line.see([(b"1", 1), (b"2", 2)])
        assert [key for keys in line.changed().slices() for key in keys] == [b"2"]
        assert [key for keys in line.missing().slices() for key in keys] == [b"3", b"4"]


def test_what_was_noted_after_a_token_was_given_is_not_covered_by_it(file):
    with Line(file, S, "q", None) as line:
        line.note([(b"1", 1)])
        token = line.token()
        line.next_generation()
        line.note_gone([b"1"])
    with Line(file, S, "q", token) as line:
        assert line.holds(b"1")


def test_the_last_generations_can_be_taken_up_and_gone_keys_leave_with_the_older_ones(file):
    tokens = []
    with Line(file, S, "q", None) as line:
        line.note([(b"stays", 1), (b"goes", 1)])
        tokens.append(line.token())
    for number in range(GENERATIONS + 1):
        with Line(file, S, "q", tokens[-1]) as line:
            if number == 0:
                line.note_gone([b"goes"])
            line.note([(b"stays", number)])
            tokens.append(line.token())
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM keys").fetchone() == (1,)
    known = []
    for token in tokens:
        with Line(file, S, "q", token) as line:
            known.append(line.known)
    assert known == [False] * 2 + [True] * GENERATIONS


def test_a_line_that_another_process_holds_is_refused_with_a_sentence_and_free_when_that_ends(file):
    with Line(file, S, "q", None) as line:
        token = line.token()
    code = (
        "import sys; from pathlib import Path; from tap_ifs_cloud.delivered import Extent, Line; "
        f"Line(Path({str(file)!r}), Extent('s'), 'q', {token!r}); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(KeyStoreError, match="s is being read by another run that began with the same state"):
            Line(file, S, "q", token)
        with Line(file, S, "q", None) as line:  # another destination's first run
            assert not line.known
        other.kill()
        other.wait()
    with Line(file, S, "q", token) as line:
        assert line.known


def test_the_lines_that_were_used_last_are_kept_but_for_those_that_are_held(file):
    with Line(file, S, "q", None) as first, Line(file, OTHER, "q", None) as other:
        first.note([(b"1", 1)])
        token, others_token = first.token(), other.token()
        for number in range(LINES + 2):
            with Line(file, S, "q", None) as line:
                line.note([(b"1", number)])
                line.token()
        assert first.version(b"1") == 1
    with Line(file, S, "q", None), Line(file, S, "q", token) as line:
        assert not line.known  # it was held no more, and used longest ago
    with Line(file, OTHER, "q", others_token) as line:
        assert line.known
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM lines WHERE stream = 's'").fetchone() == (LINES,)
    assert len(list(file.parent.glob("*.lock"))) == LINES + 1


def test_a_file_that_is_no_key_store_is_refused_with_a_sentence(file):
    file.parent.mkdir()
    file.write_text("no database" * 100)
    with pytest.raises(KeyStoreError, match=r"can't be used: file is not a database.*costs one full reading"):
        Line(file, S, "q", None)


def test_a_file_of_a_newer_version_is_refused_with_a_sentence(file):
    Line(file, S, "q", None).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(KeyStoreError, match="newer tap-ifs-cloud"):
        Line(file, S, "q", None)


def test_a_folder_that_cant_be_made_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyStoreError, match="can't be used"):
        Line(tmp_path / "file" / "keys.db", S, "q", None)


def test_the_file_is_for_its_owner_alone(file):
    Line(file, S, "q", None).close()
    assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_key_of_four_parts_takes_less_than_a_hundred_bytes(file):
    keys = Keys("s", [Property(name, "Edm.String") for name in ("OrderNo", "LineNo", "RelNo", "LineItemNo")], None)
    rows = 50_000
    with Line(file, S, "q", None) as line:
        for start in range(0, rows, 5_000):
            line.note(
                (
                    keys.of_record({"OrderNo": f"C{n // 4:09}", "LineNo": str(n % 4), "RelNo": "1", "LineItemNo": "0"}),
                    version_of(ETAG),
                )
                for n in range(start, start + 5_000)
            )
        line.token()
    assert sum(path.stat().st_size for path in file.parent.iterdir()) <= 100 * rows


def test_a_version_is_the_second_in_the_etag_wherever_the_row_lies():
    assert version_of(ETAG) == 20251008171610
    assert version_of('W/"b3RoZXI="') == 'W/"b3RoZXI="'
    assert version_of("no base64") == "no base64"


PARTS = [Property("A", "Edm.String"), Property("B", "Edm.Decimal"), Property("C", "Edm.Boolean")]
VALUES = st.tuples(st.text(), st.decimals(allow_nan=False, allow_infinity=False, places=3), st.booleans())


@given(one=VALUES, other=VALUES)
def test_keys_are_alike_exactly_if_their_values_are_and_give_them_back(one, other):
    keys = Keys("s", PARTS, None)
    texts = []
    for values in (one, other):
        text = keys.of_row(dict(zip("ABC", values, strict=True)))
        assert tuple(keys.values(text).values()) == values
        texts.append(text)
    assert (texts[0] == texts[1]) == (one == other)


@pytest.mark.parametrize("number", ["1", "1.0", "1.00", Decimal(1), 1])
def test_a_number_has_one_key_however_the_server_writes_it(number):
    assert Keys("s", [PARTS[1]], None).of_row({"B": number}) == b"1"


def test_what_was_read_while_its_second_may_go_on_is_provisional_until_that_is_over():
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    seconds = SecondsOver(lambda: now[0])
    assert seconds.border() == 0  # nothing is known: all may go on
    seconds.read([20301231235950, None, "etag", 20301231235955])
    assert seconds.border() == 20301231235953
    now[0] += timedelta(seconds=10)
    assert seconds.border() == 20310101000003
    seconds.read([20301231235955])  # an older one says nothing new
    assert seconds.border() == 20310101000003
    provisional = Provisional.of(20301231235955, {"a": 1}, now[0])
    assert Provisional.parsed(provisional.text) == provisional
    assert not provisional.is_over(now[0] + timedelta(seconds=2))
    assert provisional.is_over(now[0] + timedelta(seconds=4))
    assert Provisional.parsed(20301231235955) is None
    assert Provisional.parsed(ETAG) is None


@pytest.mark.parametrize("version", [99999999999999, 0])
def test_a_version_that_is_no_time_says_nothing_of_the_clock(version):
    seconds = SecondsOver(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    seconds.read([version])
    assert seconds.border() == 0
