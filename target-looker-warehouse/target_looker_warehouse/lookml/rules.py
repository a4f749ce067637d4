"""Rules that a project has to keep before it is written, on LookML as `lkml` reads it. Pure.

`lkml` writes what it is given, right or not; Looker's validator needs a Looker. These rules say what would be wrong there, or
would give wrong figures: a text that does not read back, a name that leads nowhere, a join from many to one without a key, two
types compared, a field that nobody explains.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import lkml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Tree = dict[str, Any]

_REFERENCE = re.compile(r"\$\{(?!TABLE\})([^}]*)\}")
_LIQUID = re.compile(r"\{\{\s*([\w.]+)\._value\s*\}\}")
_COMPARED = re.compile(r"\$\{([^}]*)\} = \$\{([^}]*)\}")
_KINDS = ("dimensions", "dimension_groups", "measures")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def broken(files: Mapping[str, Tree], tiles: Iterable[Tree]) -> list[str]:
    """What is wrong, in sentences; nothing, if all is well.

    Args:
        files: of a project without refinements, by path.
        tiles: the elements of its dashboard.
    """
    views = {view["name"]: view for tree in files.values() for view in tree.get("views", ())}
    explores = [explore for tree in files.values() for explore in tree.get("explores", ())]
    groups = {group["name"] for tree in files.values() for group in tree.get("datagroups", ())}
    found = [f"{path} does not read back as it was written." for path, tree in files.items() if not _reads_back(tree)]
    if len(views) != sum(len(tree.get("views", ())) for tree in files.values()):
        found.append("Two views have one name.")
    for view in views.values():
        found += _of_view(view)
    shown = {}
    for explore in explores:
        present, faults = _of_explore(explore, views, groups)
        shown[explore["name"]] = present
        found += faults
    for tile in tiles:
        names = [*tile["fields"], *tile.get("pivots", ()), *tile.get("filters", ())]
        known = shown.get(tile["explore"], {})
        found += [
            f"Tile {tile['title']!r} shows {name}, which is no field of its explore."
            for name in names
            if name not in known
        ]
    return found


def written(tree: Tree) -> str:
    """The text of a file of LookML."""
    return lkml.dump(tree) or ""


def _reads_back(tree: Tree) -> bool:
    try:
        return bool(lkml.load(written(tree)) == tree)
    except SyntaxError:
        return False


def fields_of(view: Tree) -> Iterator[tuple[str, Tree]]:
    """The fields that a query can have, by name: of a group one for each timeframe."""
    for kind in _KINDS:
        for field in view.get(kind, ()):
            for timeframe in field.get("timeframes", ("",)):
                yield (f"{field['name']}_{timeframe}" if timeframe else field["name"]), field


def _of_view(view: Tree) -> Iterator[str]:
    name = view["name"]
    found = list(fields_of(view))
    known = dict(found)
    if len(known) != len(found):
        yield f"View {name} has a field twice."
    if len([field for field in view.get("dimensions", ()) if field.get("primary_key")]) > 1:
        yield f"View {name} has two primary keys."
    yield from (f"{name}.{field} is no name of LookML." for field in known if not _NAME.fullmatch(field))
    labels: set[str] = set()
    for field, told in known.items():
        for other in _named(told, name):
            if "." not in other and other not in known:
                yield f"{name}.{field} names {other}, which is no field of the view."
        if told.get("hidden") == "yes":
            continue
        if not told.get("label") or not told.get("description"):
            yield f"{name}.{field} is shown and has no label or no description."
        label = " ".join(filter(None, (told.get("label"), *_timeframe(field, told)))).lower()
        if label in labels:
            yield f"View {name} has two fields with the label {label!r}."
        labels.add(label)
    for members in view.get("sets", ()):
        yield from (
            f"Set {name}.{members['name']} has {one}, which is no field."
            for one in members["fields"]
            if one not in known
        )


def _timeframe(name: str, field: Tree) -> tuple[str, ...]:
    return (name.removeprefix(f"{field['name']}_"),) if "timeframes" in field else ()


def _named(field: Tree, view: str) -> Iterator[str]:
    """The fields that a field names; those of its own view without the view."""
    listed = [one for key in ("required_fields", "drill_fields") for one in field.get(key, ()) if not one.endswith("*")]
    for one in (*_REFERENCE.findall(field.get("sql", "")), *_LIQUID.findall(field.get("html", "")), *listed):
        yield one.removeprefix(f"{view}.")


def _of_explore(explore: Tree, views: Mapping[str, Tree], groups: set[str]) -> tuple[dict[str, Tree], list[str]]:
    """The fields that an explore has, and what is wrong with it."""
    name = explore["name"]
    joined: list[Tree] = [explore, *explore.get("joins", ())]
    members = {str(one["name"]): str(one.get("from") or one["name"]) for one in joined}
    missing = [f"Explore {name} has no view {view}." for view in members.values() if view not in views]
    if missing:
        return {}, missing
    known = {f"{one}.{field}": told for one, view in members.items() for field, told in fields_of(views[view])}
    faults: list[str] = []
    if explore.get("persist_with", next(iter(groups), "")) not in groups:
        faults.append(f"Explore {name} has no datagroup {explore['persist_with']}.")
    texts = [explore.get("sql_always_where", ""), *(join["sql_on"] for join in explore.get("joins", ()))]
    outside = (other for view in members.values() for _, told in fields_of(views[view]) for other in _named(told, view))
    named = [*(one for text in texts for one in _REFERENCE.findall(text)), *(one for one in outside if "." in one)]
    faults += [f"Explore {name} names {one}, which is no field of it." for one in named if one not in known]
    for join in explore.get("joins", ()):
        if join["relationship"] == "many_to_one" and not _has_key(views[members[join["name"]]]):
            faults.append(f"Explore {name} joins {join['name']} as one row, and its view has no primary key.")
        for pair in _COMPARED.findall(join["sql_on"]):
            types = {_type(known[one]) for one in pair if one in known}
            if len(types) > 1:
                faults.append(f"Explore {name} compares {pair[0]} with {pair[1]}: {' with '.join(sorted(types))}.")
    return known, faults


def _has_key(view: Tree) -> bool:
    return any(field.get("primary_key") == "yes" for field in view.get("dimensions", ()))


def _type(field: Tree) -> str:
    return str(field.get("datatype", field["type"]))
