"""Records against their schema: what is quickly seen to be right is right."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.singer.validation import CompiledValidator, plain_kinds, shape
from singer_sdk.exceptions import InvalidRecord

TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null"])
DEFINITIONS = st.fixed_dictionaries(
    {"type": TYPES | st.lists(TYPES, min_size=1, unique=True)},
    optional={"multipleOf": st.just(0.01), "format": st.just("date"), "title": st.just("A title"), "scale": st.just(2)},
)
VALUES = st.sampled_from(["a", "", 1, 2**70, True, None, 1.5, 2.0, Decimal("1.5"), Decimal(2), Decimal("NaN"), [], {}])


def is_right(validator: CompiledValidator, record: dict) -> bool:
    try:
        validator.validate(record)
    except InvalidRecord:
        return False
    return True


@given(
    st.dictionaries(st.sampled_from("abc"), DEFINITIONS),
    st.dictionaries(st.sampled_from("abcd"), VALUES),
)
def test_a_record_is_right_exactly_where_the_compiled_check_says_so(properties, record):
    schema = {"type": "object", "properties": properties}
    quick, thorough = CompiledValidator(schema), CompiledValidator({**schema, "allOf": [{}]})
    assert plain_kinds(shape(schema)) is not None
    assert plain_kinds(shape({**schema, "allOf": [{}]})) is None
    assert is_right(quick, record) == is_right(thorough, record)


@pytest.mark.parametrize(
    "more",
    [
        {"required": ["a"]},
        {"additionalProperties": False},
        {"minProperties": 1},
        {"properties": {"a": {"enum": [1]}}},
        {"properties": {"a": {"type": "string", "minLength": 1}}},
        {"properties": {"a": {"type": ["string", "object"], "properties": {"b": {"type": "string"}}}}},
        {"properties": {"a": True}},
        {"type": ["object", "null"]},
    ],
    ids=str,
)
def test_a_schema_that_asks_for_more_than_types_is_always_checked_thoroughly(more):
    assert plain_kinds({"type": "object", "properties": {}} | more) is None


def test_a_wrong_type_has_its_reason():
    with pytest.raises(InvalidRecord, match=r"data\.a must be string"):
        CompiledValidator({"type": "object", "properties": {"a": {"type": "string"}}}).validate({"a": 1})
