"""Keys of records, the index that finds them, and the folders that their batches lie in: laws."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.ledger import keys
from ifs_bi_core.ledger.trail import folder_of


@given(
    st.dictionaries(
        st.text(),
        st.text() | st.integers() | st.booleans() | st.none() | st.decimals(allow_nan=False, allow_infinity=False),
    )
)
def test_a_key_is_the_same_whether_its_values_are_numbers_or_typed(key):
    names = sorted(key)
    text = keys.key_text(key, names)
    assert keys.names_of(text) == names
    typed = {name: value if value is None else keys._value_text(value) for name, value in key.items()}
    assert keys.key_text(typed, names) == text


@pytest.mark.parametrize(("number", "typed"), [("10023", "10023"), ("10.50", "10.5"), ("1E+3", "1000"), ("0.00", "0")])
def test_numbers_in_keys_are_written_as_people_type_them(number, typed):
    assert keys.key_text({"No": Decimal(number)}, ["No"]) == f'{{"No":"{typed}"}}'


@given(
    st.sets(st.text(st.characters(exclude_categories=["Cs"])), min_size=1),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_the_index_holds_every_key_of_its_batch(held, other):
    index = keys.index(keys.digests(held))
    assert all(keys.may_hold(index, keys.digests([key])) for key in held)
    assert other in held or not keys.may_hold(index, keys.digests([other]))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_stream_has_a_folder_of_its_own_below_the_batches(stream):
    name = folder_of(stream)
    assert name not in {"", ".", ".."}
    assert "/" not in name
    assert "\0" not in name
    assert len(name.encode()) <= 255
