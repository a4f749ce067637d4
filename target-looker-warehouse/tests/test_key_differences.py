"""Keys of two sides: what is told is what sets would tell, and no more of it than was asked for."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from target_looker_warehouse.command.key_differences import Difference, KeyDifferences, key_file

KEYS = st.tuples(st.sampled_from(["10", "20", "Ä", "\ud800", '"', None]), st.sampled_from(["1", "2", "10"]))
VERSIONS = st.sampled_from(["20250101000000", "20250101000001", None])
SIDES = st.lists(st.tuples(KEYS, VERSIONS), max_size=12)


def differences(source, warehouse, most: int = 99, *, versions: bool = True) -> KeyDifferences:
    with key_file() as file:
        for place in range(0, max(len(source), len(warehouse)), 3):  # page by page, in turns
            file.add_source(source[place : place + 3])
            file.add_warehouse((key, version, 1) for key, version in warehouse[place : place + 3])
        return file.differences(("Company", "No"), most, versions=versions)


@settings(max_examples=40)
@given(SIDES, SIDES)
def test_what_differs_is_what_sets_tell(source, warehouse):
    found = differences(source, warehouse)
    here, there = {key for key, _ in source}, {key for key, _ in warehouse}
    assert set(found.examples[Difference.ONLY_SOURCE]) == here - there
    assert set(found.examples[Difference.ONLY_WAREHOUSE]) == there - here
    times = Counter(key for key, _ in warehouse)
    assert set(found.examples[Difference.REPEATED]) == {key for key, number in times.items() if number > 1}
    versions = {key: {v for k, v in source if k == key} for key in here & there}
    other = {
        key
        for key, known in versions.items()
        if None not in known | {v for k, v in warehouse if k == key}
        and not known & {v for k, v in warehouse if k == key}
    }
    assert set(found.examples[Difference.OTHER_VERSION]) == other
    assert found.hold == (not any(found.counts.values()))
    assert {kind: len(keys) for kind, keys in found.examples.items()} == dict(found.counts)


def test_no_more_keys_are_named_than_asked_for_and_all_are_counted():
    found = differences([((f"{number:03}", "1"), None) for number in range(50)], [], most=2)
    assert found.counts[Difference.ONLY_SOURCE] == 50
    assert found.examples[Difference.ONLY_SOURCE] == (("000", "1"), ("001", "1"))


def test_versions_are_left_aside_where_there_are_none():
    sides = [(("10", "1"), "a")], [(("10", "1"), "b")]
    assert differences(*sides).counts[Difference.OTHER_VERSION] == 1
    assert differences(*sides, versions=False).hold


def test_a_row_that_moved_while_its_key_was_read_twice_is_no_difference():
    assert differences([(("10", "1"), "a"), (("10", "1"), "b")], [(("10", "1"), "b")]).hold
