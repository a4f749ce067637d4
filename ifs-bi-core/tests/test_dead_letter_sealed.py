"""Letters that are sealed: who opens them, who doesn't, and what lies on disk."""

import secrets

import pytest
from ifs_bi_core.dead_letter.letter import Answer, DamagedLetterError, RefusedRow, State
from ifs_bi_core.dead_letter.sealing import opened, sealed
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import ConfigError, ExitCode
from ifs_bi_core.redaction import REDACTOR

KEY, OTHER = b"k" * 32, b"o" * 32
SCHEMA = b'{"type":"SCHEMA","stream":"orders"}'
LINE = b'{"type":"RECORD","record":{"Supplier":"Acme Confidential","Token":"hunter22 hunter22"}}'


def store_with(key, folder):
    return DeadLetters(folder, key=lambda: key)


@pytest.fixture
def letter(tmp_path):
    REDACTOR.register("hunter22 hunter22")
    rows = [RefusedRow(LINE, "Token hunter22 hunter22 is too long")]
    return store_with(KEY, tmp_path).put("orders", schema=SCHEMA, rows=rows, run="R", destination="warehouse")


def test_a_sealed_letter_is_opened_by_its_key(letter, tmp_path):
    store = store_with(KEY, tmp_path)
    assert (letter.sealed, store.letters()) == (True, [letter])
    assert store.payload(letter.id) == [SCHEMA, LINE]
    assert len(store.take(letter)) == 2
    assert store.answered(letter.id, {0: Answer.done()})


def test_no_plaintext_of_a_row_and_no_secret_lies_in_the_folder(letter, tmp_path):
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"reason.json", "rows.singer.sealed"}
    for path in files:
        data = path.read_bytes() + str(path).encode()
        for word in (b"Acme", b"Confidential", b"hunter22", KEY, KEY.hex().encode()):
            assert word not in data


def test_listing_and_answering_need_no_key(letter, tmp_path):
    def no_key():
        raise AssertionError("the key was asked for")

    store = DeadLetters(tmp_path, key=no_key)
    assert store.letters() == [letter]
    assert store.details(letter.id)[0].reason == "Token [redacted] is too long"
    assert store.answered(letter.id, {0: Answer.done()})


@pytest.mark.parametrize(
    ("key", "sentence"), [(None, "there is no key to open it"), (OTHER, "sealed with another key"), (b"x", "has 1")]
)
def test_without_the_right_key_nothing_moves_and_the_sentence_says_why(letter, tmp_path, key, sentence):
    store = store_with(key, tmp_path)
    with pytest.raises(ConfigError, match=sentence) as caught:
        store.take(letter)
    assert caught.value.exit_code is ExitCode.WRONG_CONFIGURATION
    assert [one.state for one in store.letters()] == [State.PENDING]


def test_a_change_of_any_bit_is_detected(letter, tmp_path):
    store = store_with(KEY, tmp_path)
    file = store.folder / "pending" / letter.id / "rows.singer.sealed"
    data = file.read_bytes()
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        with pytest.raises((ConfigError, DamagedLetterError), match=r"another key|changed or cut"):
            store.payload(letter.id)
    for cut in (b"", data[:20], data[:-1]):
        file.write_bytes(cut)
        with pytest.raises((ConfigError, DamagedLetterError)):
            store.payload(letter.id)


def test_rows_open_under_no_other_letter_s_name(letter):
    with pytest.raises(DamagedLetterError):
        opened(sealed(b"rows", KEY, letter.id), KEY, letter.id.replace("orders", "orderz"))


def test_the_same_rows_never_look_the_same_twice(letter):
    assert sealed(b"rows", KEY, letter.id) != sealed(b"rows", KEY, letter.id)


def test_the_key_is_asked_for_once(tmp_path):
    asked = []

    def key():
        asked.append(1)
        return secrets.token_bytes(32)

    store = DeadLetters(tmp_path, key=key)
    assert not asked
    for _ in range(2):
        one = store.put("s", schema=SCHEMA, rows=[RefusedRow(LINE, "no")], run="R", destination="d")
        assert store.payload(one.id) == [SCHEMA, LINE]
    assert len(asked) == 1


def test_a_key_that_can_not_be_had_leaves_no_letter(tmp_path):
    def key():
        raise ConfigError("The vault can't be opened.")

    with pytest.raises(ConfigError, match="can't be opened"):
        DeadLetters(tmp_path, key=key).put("s", schema=SCHEMA, rows=[RefusedRow(LINE, "no")], run="R", destination="d")
    assert not list(tmp_path.rglob("reason.json"))


def test_readable_and_sealed_letters_live_side_by_side(letter, tmp_path):
    plain = store_with(None, tmp_path).put("s", schema=SCHEMA, rows=[RefusedRow(LINE, "no")], run="R", destination="d")
    store = store_with(KEY, tmp_path)
    assert [one.sealed for one in store.letters()] == [True, False]
    assert store.payload(plain.id) == store.payload(letter.id)
