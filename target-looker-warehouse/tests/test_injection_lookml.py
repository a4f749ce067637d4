"""Whatever streams and properties are called, LookML stays LookML and files stay in their folder."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lookml_projects import NUMBER, TEXT, made, views_of
from target_looker_warehouse.dialects.postgresql import POSTGRESQL
from target_looker_warehouse.lookml.schemas import Schema

HOSTILE = [
    '"; drop: yes }',
    "} view: evil { sql_table_name: x ;; }",
    ";; } dimension: x { sql: 1",
    "${TABLE}.x",
    "{{ _user_attributes['x'] }}",
    "{% assign x = 1 %}",
    "# comment",
    "a\nb",
    "../../evil",
    "/etc/evil",
    "..",
    "'; DROP TABLE x; --",
    "\\",
    '"',
]
KNOWN = {
    "name",
    "sql_table_name",
    "label",
    "view_label",
    "description",
    "dimensions",
    "dimension_groups",
    "measures",
    "sets",
    "extends__all",
    "extension",
    "drill_fields",
    "derived_table",
}
NAMES = st.lists(
    st.sampled_from(HOSTILE) | st.text("\"';{}$%#/.\\\n ab_", min_size=1, max_size=12),
    min_size=1,
    max_size=4,
    unique=True,
)


@given(streams=NAMES, columns=NAMES)
@settings(max_examples=40, deadline=None)
def test_hostile_names_add_nothing_to_a_project_that_nobody_asked_for(streams, columns):
    schemas = [Schema(stream, {"Id": TEXT} | dict.fromkeys(columns, NUMBER), ("Id",)) for stream in streams]
    found = made(*schemas, dialect=POSTGRESQL)
    for path in (*found.files, *found.once):
        assert re.fullmatch(r"(?:\w+/)*\w[\w.]*", path), path
        assert ".." not in path
    views = views_of(found)
    assert len([name for name in views if not name.startswith("+")]) <= len(streams)
    for name, view in views.items():
        assert re.fullmatch(r"\+?\w+", name)
        assert set(view) <= KNOWN, view
        for kind in ("dimensions", "measures", "dimension_groups"):
            for field in view.get(kind, ()):
                assert re.fullmatch(r"\w+", field["name"])
                assert outside_of_names(field.get("sql", "")) is not None


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_lookml_can_not_hold_is_left_out_and_told(name):
    found = made(Schema("s", {"Id": TEXT, name: NUMBER}, ("Id",)), dialect=POSTGRESQL)
    (view,) = [one for named, one in views_of(found).items() if not named.startswith("+")]
    said = [field.get("sql", "") for kind in ("dimensions", "measures") for field in view.get(kind, ())]
    quoted = POSTGRESQL.quoted(name)
    is_held = any(quoted in sql for sql in said)
    assert is_held or len(found.left_out) == 1
    assert all(told.isprintable() for told in found.left_out)


def outside_of_names(sql: str) -> str | None:
    """What stands outside of quoted names; None where a quote is open or Looker's own language begins inside of one."""
    rest = re.sub(r'"(?:[^"]|"")*"', "", sql)
    inside = "".join(re.findall(r'"(?:[^"]|"")*"', sql))
    is_sound = (
        '"' not in rest and ";;" not in inside and "{{" not in inside and "{%" not in inside and "${" not in inside
    )
    return rest if is_sound else None
