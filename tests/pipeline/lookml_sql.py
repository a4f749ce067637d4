"""SQL of LookML, as Looker would write it, so that a real warehouse can answer what an explore asks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import lkml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Tree = dict[str, Any]
_REFERENCE = re.compile(r"\$\{(\w+)\.(\w+)\}")
_OWN = re.compile(r"\$\{(\w+)\}")


def trees(folder: Path) -> dict[str, Tree]:
    """The generated files of a project, as `lkml` reads them, by path."""
    paths = [*folder.glob("*.model.lkml"), *folder.glob("*/_generated/*.lkml")]
    return {path.relative_to(folder).as_posix(): lkml.load(path.read_text()) for path in sorted(paths)}


class Model:
    """The views and explores of a project.

    Args:
        folder: the project.
        schema: the value of its constant.
    """

    def __init__(self, folder: Path, schema: str) -> None:
        files = trees(folder).values()
        self.views: dict[str, Tree] = {view["name"]: view for tree in files for view in tree.get("views", ())}
        self.explores: dict[str, Tree] = {one["name"]: one for tree in files for one in tree.get("explores", ())}
        self._schema = schema

    def members(self, explore: str) -> dict[str, str]:
        """The views of an explore by the names of their joins."""
        joins = self.explores[explore].get("joins", ())
        return {explore: explore} | {one["name"]: one.get("from", one["name"]) for one in joins}

    def fields(self, view: str) -> Iterator[str]:
        """The names of all dimensions of a view, of groups those that are a column."""
        yield from (one["name"] for one in self.views[view].get("dimensions", ()))
        yield from (f"{one['name']}_raw" for one in self.views[view].get("dimension_groups", ()))

    def column(self, explore: str, field: str) -> str:
        """A dimension of an explore, given as ``view.field``."""
        alias, _, name = field.partition(".")
        return self._column(alias, self.views[self.members(explore)[alias]], name)

    def measure(self, explore: str, field: str) -> str:
        """A measure of an explore, given as ``view.field``."""
        alias, _, name = field.partition(".")
        view = self.views[self.members(explore)[alias]]
        found = next(one for one in view["measures"] if one["name"] == name)
        return "COUNT(*)" if found["type"] == "count" else f"SUM({self._expanded(found['sql'], alias, view)})"

    def source(self, explore: str, *, without: str = "") -> str:
        """FROM with all joins of an explore but those of a relationship, and its WHERE."""
        facts, members = self.explores[explore], self.members(explore)
        text = f"FROM {self.table(explore)} AS {explore}"
        for join in facts.get("joins", ()):
            if join["relationship"] != without:
                condition = self._condition(explore, join["sql_on"])
                text += f" LEFT JOIN {self.table(members[join['name']])} AS {join['name']} ON {condition}"
        return f"{text} WHERE {self._condition(explore, facts.get('sql_always_where', '1 = 1'))}"

    def table(self, view: str) -> str:
        """The table of a view."""
        return str(self.views[view]["sql_table_name"]).replace("@{warehouse_schema}", self._schema)

    def primary_key(self, view: str) -> str | None:
        """What tells the rows of a view apart."""
        keys = [one for one in self.views[view].get("dimensions", ()) if one.get("primary_key") == "yes"]
        return self._column(view, self.views[view], keys[0]["name"]) if keys else None

    def _column(self, alias: str, view: Tree, name: str) -> str:
        found = next((one for one in view.get("dimensions", ()) if one["name"] == name), None)
        if found is not None:
            return self._expanded(found["sql"] if "sql" in found else _case(found), alias, view)
        for group in view.get("dimension_groups", ()):
            if name in {f"{group['name']}_{timeframe}" for timeframe in group["timeframes"]}:
                text = self._expanded(group["sql"], alias, view)
                return f"CAST({text} AS DATE)" if name.endswith("_date") else text
        raise LookupError(f"{view['name']}.{name}")

    def _condition(self, explore: str, text: str) -> str:
        return _REFERENCE.sub(lambda match: self.column(explore, f"{match[1]}.{match[2]}"), text)

    def _expanded(self, text: str, alias: str, view: Tree) -> str:
        return _OWN.sub(lambda match: self._column(alias, view, match[1]), text.replace("${TABLE}", alias))


def tile_query(model: Model, tile: Mapping[str, Any], where: str = "1 = 1") -> str:
    """What a tile asks: its dimensions, and its measure as the last column."""
    explore, *dimensions = tile["explore"], *tile["fields"][:-1]
    shown = ", ".join(model.column(explore, field) for field in dimensions)
    amount = model.measure(explore, tile["fields"][-1])
    source = model.source(explore, without="many_to_many")
    groups = ", ".join(str(number) for number in range(1, len(dimensions) + 1))
    return f"SELECT {shown}, {amount} {source} AND {where} GROUP BY {groups}"


def _case(field: Tree) -> str:
    whens = " ".join(f"WHEN {one['sql']} THEN '{one['label']}'" for one in field["case"]["whens"])
    return f"CASE {whens} END"
