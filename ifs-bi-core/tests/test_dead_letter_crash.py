"""A process that is killed at any point loses no letter, shows half of none, and repeats no delivered row."""

import os
import sys
from datetime import UTC, datetime

import pytest
from ifs_bi_core.dead_letter.letter import Answer, RefusedRow, RowState, State
from ifs_bi_core.dead_letter.store import DeadLetters

SCHEMA = b'{"type":"SCHEMA"}'
LINES = [b'{"type":"RECORD","n":%d}' % number for number in range(3)]
KEY = b"k" * 32
STEPS = ("open", "fdopen", "mkdir", "fsync", "replace", "rename", "close")
DONE, REFUSED = Answer.done("there"), Answer.refused("again")


def opened(folder, *, sealed):
    return DeadLetters(folder, key=lambda: KEY if sealed else None, clock=lambda: datetime(2025, 11, 22, tzinfo=UTC))


def put(store, run="before"):
    rows = [RefusedRow(line, "no") for line in LINES]
    return store.put("orders", schema=SCHEMA, rows=rows, run=run, destination="warehouse")


def killed_before_step(number, action):
    """Run ``action`` in a process that ends, as if killed, before its step ``number``; whether it came to that."""
    child = os.fork()
    if child:
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert ended in {0, 9}, "the action failed by itself"
        return ended == 9
    left = [number]

    def stopping(step):
        def stopped(*args, **kwargs):
            if not left[0]:
                os._exit(9)
            left[0] -= 1
            return step(*args, **kwargs)

        return stopped

    for name in STEPS:
        setattr(os, name, stopping(getattr(os, name)))
    try:
        action()
    finally:
        os._exit(0 if sys.exc_info()[0] is None else 1)


def taken(store):
    [letter] = store.letters()
    return letter, store.take(letter)


def refused(store):
    letter, _ = taken(store)
    store.answered(letter.id, {0: DONE, 1: REFUSED, 2: REFUSED})


def with_a_word(store):
    letter, _ = taken(store)
    store.answered(letter.id, {0: DONE})


def answer(store, answers):
    [letter] = store.letters()
    assert store.answered(letter.id, answers)


def give_back(store):
    [letter] = store.letters()
    assert store.returned(letter.id)


P, D, R = RowState.PENDING, RowState.DONE, RowState.REFUSED
WAYS = {
    # before, the action, and what may be found: the letter's state and those of its rows
    "put": (None, put, [(State.PENDING, (P, P, P))]),
    "take": (put, taken, [(State.PENDING, (P, P, P)), (State.REPLAYING, (P, P, P))]),
    "take refused": (refused, taken, [(State.REFUSED, (D, R, R)), (State.REPLAYING, (D, P, P))]),
    "answer one": (taken, lambda s: answer(s, {0: DONE}), [(State.REPLAYING, (P, P, P)), (State.REPLAYING, (D, P, P))]),
    "answer all": (
        with_a_word,
        lambda s: answer(s, {1: DONE, 2: DONE}),
        [(State.REPLAYING, (D, P, P)), (State.DONE, (D, D, D))],
    ),
    "refuse": (
        with_a_word,
        lambda s: answer(s, {1: REFUSED, 2: DONE}),
        [(State.REPLAYING, (D, P, P)), (State.REFUSED, (D, R, D))],
    ),
    "return": (with_a_word, give_back, [(State.REPLAYING, (D, P, P)), (State.PENDING, (D, P, P))]),
}
NEEDS_A_LETTER = {taken, refused, with_a_word}


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_process_killed_between_any_two_steps_leaves_every_letter_whole_and_in_one_place(tmp_path, way, sealed):
    before, action, allowed = WAYS[way]
    number, seen, killed = 0, [], True
    while killed:
        folder = tmp_path / str(number)
        if before in NEEDS_A_LETTER:
            put(opened(folder, sealed=sealed))
        if before:
            before(opened(folder, sealed=sealed))
        killed = killed_before_step(number, lambda folder=folder: action(opened(folder, sealed=sealed)))
        store = opened(folder, sealed=sealed)
        letters = store.letters()
        assert len(letters) == 1 or (way == "put" and not letters)
        for letter in letters:
            found = (letter.state, tuple(row.state for row in store.details(letter.id)))
            assert found in allowed, f"killed before step {number}"
            assert store.payload(letter.id) == [SCHEMA, *LINES]
            assert sum((store.folder / state / letter.id).exists() for state in State) == 1
            assert (store.folder / letter.state / letter.id / "reason.json").exists()
            seen.append(found)
            store.answered(letter.id, {0: DONE, 1: DONE, 2: DONE})  # what was left behind is in nobody's way
            assert [one.state for one in store.letters()] == [State.DONE]
        after = put(store, run="after")
        assert after in store.letters(State.PENDING)
        number += 1
    assert seen[-1] == allowed[-1]
    assert set(seen) == set(allowed)
    assert number > 4  # it was stopped in many places
