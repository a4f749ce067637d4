"""What the dead-letter store keeps, where, and what becomes of it."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.dead_letter.folders import locked
from ifs_bi_core.dead_letter.letter import LETTER_ID, Answer, DamagedLetterError, RefusedRow, RowState, State
from ifs_bi_core.dead_letter.lines import mark_of, marked, one_line, unmarked
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.singer.lines import decode

SCHEMA = b'{"type": "SCHEMA", "stream": "orders", "schema": {}, "key_properties": ["No"]}'
NOON = datetime(2025, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
DONE, REFUSED = Answer.done(), Answer.refused("still too long")


def record(number, more=b""):
    return b'{"type":"RECORD","stream":"orders","record":{"No":"%d"%b}}' % (number, more)


def rows(count, reason="No is too long"):
    return [RefusedRow(record(n) + b"\n", reason, f'{{"No":"{n}"}}') for n in range(count)]


def put(store, count=1, **more):
    given = {"schema": SCHEMA, "rows": rows(count), "run": "R", "destination": "warehouse"} | more
    return store.put(given.pop("stream", "orders"), **given)


@pytest.fixture
def store(tmp_path):
    return DeadLetters(tmp_path, clock=lambda: NOON)


def on_disk(folder):
    """Letter → the states in whose folders it lies."""
    found = {}
    for state in State:
        for path in (folder / state).glob("*"):
            found.setdefault(path.name, []).append(state)
    return found


def test_a_letter_is_a_folder_that_tells_time_stream_and_reason(store, tmp_path):
    letter = put(store, 2, stream="Purchase orders/ü", batch="B-1")
    folder = tmp_path / "dead-letters" / "pending" / letter.id
    assert letter.id.startswith("20251122T120000Z-Purchase_orders__-")
    assert LETTER_ID.fullmatch(letter.id)
    assert sorted(path.name for path in folder.iterdir()) == ["reason.json", "rows.singer"]
    assert (folder / "rows.singer").read_bytes() == b"\n".join([SCHEMA, record(0), record(1), b""])
    assert json.loads((folder / "reason.json").read_text()) == {
        "id": letter.id,
        "stream": "Purchase orders/ü",
        "batch": "B-1",
        "run": "R",
        "destination": "warehouse",
        "at": "2025-11-22T12:00:00.123456Z",
        "rows": 2,
        "reason": "No is too long",
        "sealed": False,
        "details": [
            {"key": f'{{"No":"{n}"}}', "reason": "No is too long", "state": "pending", "note": None} for n in range(2)
        ],
    }
    assert store.letters() == [letter]


def test_everything_is_for_its_owners_eyes_alone(store, tmp_path):
    letter = put(store)
    store.take(letter)
    store.answered(letter.id, {0: DONE})
    made = [tmp_path / "dead-letters", *(tmp_path / "dead-letters").rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in made if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in made if path.is_file()} == {0o600}


@pytest.mark.parametrize("stream", ["", "../../etc", "a" * 300, "\n", ".", "日本"])
def test_no_stream_s_name_leads_out_of_the_folder(store, stream):
    letter = put(store, stream=stream)
    assert on_disk(store.folder) == {letter.id: [State.PENDING]}
    assert store.letters(stream=stream) == [letter]


def test_the_reason_of_a_letter_sums_up_those_of_its_rows(store):
    three = [*rows(2, "too long"), *rows(1, "no date"), *rows(1, "no number")]
    letter = put(store, rows=three)
    assert letter.reason == "too long (2 of 4 rows; 2 other reasons)"
    store.take(letter)
    store.answered(letter.id, {0: DONE, 1: DONE, 2: Answer.refused("no number")})
    [after] = store.letters()
    assert (after.reason, after.rows, after.undelivered) == ("no number", 4, 2)


def test_no_registered_secret_lies_in_what_a_letter_says_of_itself(store):
    REDACTOR.register("hunter22 hunter22")
    secret = "hunter22 hunter22 was refused"
    letter = put(store, rows=[RefusedRow(record(0), secret, secret)], destination=f"at {secret}")
    store.answered(letter.id, {0: Answer.refused(secret)})
    told = (store.folder / "refused" / letter.id / "reason.json").read_text()
    assert told.count("[redacted] was refused") == 4  # destination, key, and the reason in two places


def test_half_a_surrogate_pair_in_a_reason_loses_no_row(store):
    letter = put(store, rows=[RefusedRow(record(0), "bad \udc80 text")])
    assert [row.reason for row in store.details(letter.id)] == ["bad \udc80 text"]


def test_a_letter_without_rows_is_a_mistake_of_the_caller(store):
    with pytest.raises(ValueError, match="at least one row"):
        put(store, rows=[])


def test_letters_are_found_by_every_fact_and_come_oldest_first(tmp_path):
    times = [NOON, NOON - timedelta(days=2), NOON, NOON]
    late, early = (DeadLetters(tmp_path, clock=lambda at=at: at) for at in times[:2])
    first = put(late, batch="B1", run="R1")
    second = put(late, stream="lines", run="R2", destination="powerbi")
    oldest = put(early, run="R1")
    assert late.letters() == [oldest, first, second]
    assert late.letters(stream="lines") == [second]
    assert late.letters(batch="B1") == [first]
    assert late.letters(run="R1") == [oldest, first]
    assert late.letters(destination="powerbi") == [second]
    assert late.letters(letter=oldest.id) == [oldest]
    assert late.letters(since=NOON) == [first, second]
    assert late.letters(since=NOON.astimezone(timezone(timedelta(hours=9)))) == [first, second]
    assert late.letters(State.REFUSED, State.DONE) == []
    assert late.letters(State.PENDING, stream="orders", run="R1", since=NOON) == [first]


def test_asking_an_empty_folder_makes_nothing(store, tmp_path):
    assert store.letters() == []
    assert store.answered("20251122T120000Z-orders-0123456789abcdef", {0: DONE}) is False
    assert store.returned("20251122T120000Z-orders-0123456789abcdef") is False
    assert store.payload("x") == store.lines("x") == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("letter", ["", "../pending", "20251122T120000Z-orders-0123456789abcdef", "/etc", "a\0b"])
def test_a_letter_that_is_not_there_is_no_error(store, letter):
    put(store)
    assert store.answered(letter, {0: DONE}) is False
    assert store.returned(letter) is False
    assert store.details(letter) == ()


# The way of a letter


def test_a_replayed_letter_is_done_when_every_row_is_acknowledged_and_not_before(store):
    letter = put(store, 3)
    assert len(store.take(letter)) == 4
    assert on_disk(store.folder) == {letter.id: [State.REPLAYING]}
    store.answered(letter.id, {0: DONE, 2: Answer.done("older than what is there: skipped")})
    assert on_disk(store.folder) == {letter.id: [State.REPLAYING]}
    store.answered(letter.id, {1: DONE})
    assert on_disk(store.folder) == {letter.id: [State.DONE]}
    assert store.details(letter.id)[2].note == "older than what is there: skipped"


def test_a_letter_of_which_a_row_is_refused_again_is_refused_and_replays_that_row_alone(store):
    letter = put(store, 3)
    store.take(letter)
    store.answered(letter.id, {0: DONE, 1: REFUSED, 2: DONE})
    [refused] = store.letters(State.REFUSED)
    assert (refused.undelivered, refused.reason) == (1, "still too long")
    schema, *lines = store.take(refused)
    assert schema == SCHEMA
    assert [mark_of(decode(line)) for line in lines] == [(letter.id, 1)]
    assert on_disk(store.folder) == {letter.id: [State.REPLAYING]}
    store.answered(letter.id, {1: DONE})
    assert on_disk(store.folder) == {letter.id: [State.DONE]}


def test_what_was_replayed_without_a_word_is_pending_again(store):
    letter = put(store, 2)
    store.take(letter)
    store.answered(letter.id, {0: DONE})
    assert store.returned(letter.id) is True
    [pending] = store.letters(State.PENDING)
    assert (pending.rows, pending.undelivered) == (2, 1)
    assert [mark_of(decode(line)).row for line in store.lines(letter.id)[1:]] == [1]


def test_a_letter_is_taken_by_one_replay_alone(store):
    letter = put(store)
    assert store.take(letter)
    assert store.take(letter) is None


def test_a_word_that_comes_late_counts_and_delivered_stays_delivered(store):
    letter = put(store, 2)
    store.take(letter)
    store.returned(letter.id)
    store.answered(letter.id, {0: DONE, 1: REFUSED})
    assert on_disk(store.folder) == {letter.id: [State.REFUSED]}
    store.answered(letter.id, {0: REFUSED, 1: DONE, 7: DONE, -1: REFUSED})
    assert on_disk(store.folder) == {letter.id: [State.DONE]}
    assert [row.state for row in store.details(letter.id)] == [RowState.DONE, RowState.DONE]


NUMBERS = st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.just("put"), st.integers(1, 3)),
    st.tuples(st.just("take"), NUMBERS),
    st.tuples(st.just("answered"), NUMBERS, st.dictionaries(st.integers(0, 3), st.sampled_from([DONE, REFUSED]))),
    st.tuples(st.just("returned"), NUMBERS),
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, max_size=12))
def test_whatever_happens_every_row_is_in_exactly_one_place(tmp_path_factory, steps):
    store = DeadLetters(tmp_path_factory.mktemp("state"), clock=lambda: NOON)
    made, delivered = {}, set()
    for step in [("put", 2), *steps]:
        letters = store.letters()
        letter = None if step[0] == "put" else letters[step[1] % len(letters)]
        match step:
            case ("put", count):
                made[put(store, count).id] = count
            case ("take", _):
                taken = store.take(letter)
                left = [number for number in range(letter.rows) if (letter.id, number) not in delivered]
                assert [mark_of(decode(line)) for line in taken[1:]] == [(letter.id, number) for number in left]
            case ("answered", _, answers):
                assert store.answered(letter.id, answers)
                delivered |= {(letter.id, n) for n, a in answers.items() if a == DONE and n < letter.rows}
            case ("returned", _):
                assert store.returned(letter.id)
        assert {name: len(states) for name, states in on_disk(store.folder).items()} == dict.fromkeys(made, 1)
        for one in store.letters():
            words = [row.state for row in store.details(one.id)]
            assert store.payload(one.id) == [SCHEMA, *(record(n) for n in range(made[one.id]))]
            assert {(one.id, n) for n, word in enumerate(words) if word == RowState.DONE} == {
                row for row in delivered if row[0] == one.id
            }
            assert (one.state is State.DONE) == (one.undelivered == 0)
            assert (one.state in {State.DONE, State.REFUSED}) == (RowState.PENDING not in words)


def test_two_processes_that_answer_at_once_are_both_heard(store, tmp_path):
    count = 40
    letter = put(store, count)
    store.take(letter)
    script = """
import pathlib, sys
from ifs_bi_core.dead_letter.letter import Answer
from ifs_bi_core.dead_letter.store import DeadLetters
store = DeadLetters(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.read()
for row in range(int(sys.argv[3]), int(sys.argv[4]), 2):
    assert store.answered(sys.argv[2], {row: Answer.done(f"by {sys.argv[3]}")})
"""
    answering = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), letter.id, first, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for first in "01"
    ]
    for process in answering:
        process.stdout.readline()
    for process in answering:
        process.stdin.close()
    for process in answering:
        assert process.wait(60) == 0
        process.stdout.close()
    assert [row.note for row in store.details(letter.id)] == [f"by {number % 2}" for number in range(count)]
    assert on_disk(store.folder) == {letter.id: [State.DONE]}


# Lines

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
SPACES = st.sampled_from(["", " ", "  ", "\t"])


@given(value=JSON, ascii_only=st.booleans(), inside=SPACES, after=SPACES, end=st.sampled_from(["", "\n", "\r\n"]))
def test_a_replayed_line_is_the_line_that_came_with_a_mark_put_in(value, ascii_only, inside, after, end):
    text = json.dumps(value, ensure_ascii=ascii_only)
    came = f'{{"type": "RECORD",  "stream":"s","record":{{"v":{inside}{text}{inside}}}{inside}}}{after}{end}'.encode()
    kept = one_line(came)
    assert kept == came.rstrip(b"\r\n")
    replayed = marked(kept, "20251122T120000Z-s-0123456789abcdef", 7)
    assert mark_of(decode(replayed)) == ("20251122T120000Z-s-0123456789abcdef", 7)
    assert unmarked(replayed) == kept
    message = decode(replayed)
    del message["dead_letter"]
    assert message == decode(kept)


def test_every_digit_escape_and_space_survives_a_replay(store):
    more = (
        rb',"n":123456789012345678901234567890.00100,"e":1E+2,"t":"\u00fc\/ \ud83d\ude00 \"}","u":"'
        + "ü😀".encode()
        + b'"  ,  "x":{}'
    )
    letter = put(store, rows=[RefusedRow(record(1, more) + b"\r\n", "no")])
    assert store.payload(letter.id) == [SCHEMA, record(1, more)]
    [_, line] = store.take(letter)
    assert line == record(1, more)[:-1] + b', "dead_letter": {"id": "%b", "row": 0}}' % letter.id.encode()


def test_a_row_that_another_replay_marked_is_kept_without_that_mark(store):
    first = put(store)
    [_, line] = store.take(first)
    second = put(store, rows=[RefusedRow(line, "refused again elsewhere")])
    assert store.payload(second.id)[1] == record(0)


@pytest.mark.parametrize(
    "message", [{}, {"dead_letter": None}, {"dead_letter": {"id": 1, "row": 1}}, {"dead_letter": {"id": "x"}}]
)
def test_a_message_without_a_whole_mark_is_no_replay(message):
    assert mark_of(message) is None


# What is damaged, locked or can't be written


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"details": []}', b'{"details": [{"key": 1}]}', b"\xff", b"[" * 99999]
)
def test_a_reason_that_can_not_be_read_is_a_sentence_that_names_the_file(store, content):
    letter = put(store)
    (store.folder / "pending" / letter.id / "reason.json").write_bytes(content)
    with pytest.raises(DamagedLetterError, match=f"{letter.id}/reason.json is not what a dead letter says"):
        store.letters()


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data * 2, lambda data: data[:0], None])
def test_rows_that_are_not_those_that_were_put_are_not_replayed(store, change):
    letter = put(store, 2)
    file = store.folder / "pending" / letter.id / "rows.singer"
    file.write_bytes(change(file.read_bytes())) if change else file.unlink()
    with pytest.raises(DamagedLetterError, match="does not hold the rows"):
        store.take(letter)
    assert on_disk(store.folder) == {letter.id: [State.PENDING]}


def test_a_row_that_is_no_object_is_not_replayed(store):
    letter = put(store, rows=[RefusedRow(b"12", "no message")])
    with pytest.raises(DamagedLetterError, match="no JSON object"):
        store.take(letter)


def test_a_damaged_letter_that_is_done_is_in_nobodys_way(store):
    done, pending = put(store), put(store)
    store.answered(done.id, {0: DONE})
    (store.folder / "done" / done.id / "reason.json").write_text("half")
    assert store.letters(State.PENDING, State.REPLAYING, State.REFUSED) == [pending]
    with pytest.raises(DamagedLetterError):
        store.letters()


def test_what_is_no_letter_is_passed_over(store):
    letter = put(store)
    (store.folder / "pending" / "notes.txt").write_text("by a person")
    (store.folder / "done" / "old").mkdir(parents=True)
    assert store.letters() == [letter]


def test_a_store_that_can_not_be_written_is_a_sentence_and_leaves_nothing(tmp_path):
    (tmp_path / "dead-letters").write_text("in the way")
    with pytest.raises(IfsBiError, match=r"can't be written to .*Make room"):
        put(DeadLetters(tmp_path))


def test_a_full_disk_leaves_no_half_letter(store, monkeypatch):
    put(store)

    def full(_handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(IfsBiError, match="No space left on device"):
            put(store)
    assert len(store.letters()) == 1
    assert not list(store.folder.glob(".new-*"))


def test_what_a_killed_process_left_is_swept_after_a_day(tmp_path):
    now = [NOON]
    store = DeadLetters(tmp_path, clock=lambda: now[0])
    put(store)
    left = store.folder / ".new-20251122T115959Z-orders-0123456789abcdef"
    left.mkdir()
    (left / "rows.singer").write_text("half")
    now[0] = NOON + timedelta(hours=23)
    assert len(store.letters()) == 1
    assert left.exists()
    now[0] = NOON + timedelta(days=1)
    assert len(store.letters()) == 1
    assert not left.exists()


def test_a_lock_that_another_process_keeps_is_waited_for_and_then_told(tmp_path):
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    with locked(tmp_path / "lock"), pytest.raises(IfsBiError, match="30 seconds"):  # noqa: SIM117 - the inner one waits
        with locked(tmp_path / "lock", clock=lambda: now[0], sleep=sleep):
            pass
    assert now[0] == pytest.approx(30, abs=0.1)


def test_a_lock_that_can_not_be_made_stops_who_changes_and_not_who_reads(tmp_path):
    with locked(tmp_path / "none" / "lock", to_change=False):
        pass
    with pytest.raises(IfsBiError, match="can't be written"), locked(tmp_path / "none" / "lock"):
        pass


def test_a_folder_in_a_file_s_place_is_a_sentence(store):
    letter = put(store)
    file = store.folder / "pending" / letter.id / "reason.json"
    file.unlink()
    file.mkdir()
    with pytest.raises(ConfigError, match="can't be read"):
        store.letters()


def test_who_seals_nothing_does_not_load_cryptography(tmp_path):
    script = f"""
import pathlib, sys
from ifs_bi_core.dead_letter.letter import RefusedRow
from ifs_bi_core.dead_letter.store import DeadLetters
store = DeadLetters(pathlib.Path({str(tmp_path)!r}))
store.put("s", schema=b"{{}}", rows=[RefusedRow(b"{{}}", "no")], run="R", destination="d")
print([name for name in ("cryptography", "requests", "sqlalchemy", "singer_sdk") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_letters_that_were_done_long_ago_are_removed_and_no_others(store, tmp_path):
    letters = [put(store) for _ in range(4)]
    for letter in letters[:3]:
        store.take(letter)
    store.answered(letters[0].id, {0: DONE})
    store.answered(letters[1].id, {0: DONE})
    store.answered(letters[2].id, {0: REFUSED})
    week_ago = (NOON - timedelta(days=7)).timestamp()
    for reason in (tmp_path / "dead-letters").glob("*/*/reason.json"):
        os.utime(reason, (week_ago, week_ago))
    today = tmp_path / "dead-letters" / "done" / letters[1].id / "reason.json"
    os.utime(today, (NOON.timestamp(), NOON.timestamp()))
    assert store.prune(NOON - timedelta(days=1)) == 1
    assert on_disk(tmp_path / "dead-letters") == {
        letters[1].id: [State.DONE],
        letters[2].id: [State.REFUSED],
        letters[3].id: [State.PENDING],
    }
    assert store.prune(NOON - timedelta(days=1)) == 0
