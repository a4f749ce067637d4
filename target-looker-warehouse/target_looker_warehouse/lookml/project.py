"""A whole LookML project from the tables of streams. Pure: the same tables give the same bytes, in whatever order they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ifs_bi_core.errors import IfsBiError

from target_looker_warehouse.lookml.dashboard import dashboard_yaml, elements
from target_looker_warehouse.lookml.explores import datagroups, explore_lookml, explore_of
from target_looker_warehouse.lookml.fields import Fields
from target_looker_warehouse.lookml.naming import expressible, plain
from target_looker_warehouse.lookml.relations import ROLL_UPS, roll_ups, together
from target_looker_warehouse.lookml.rules import broken, written
from target_looker_warehouse.lookml.views import SCHEMA_CONSTANT, view_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_looker_warehouse.dialects.facts import Dialect
    from target_looker_warehouse.lookml.relations import Relation

CONNECTION_CONSTANT = "warehouse_connection"
"""The constant of the manifest that names Looker's connection."""

DEFAULT_MODEL = "ifs_cloud"
DEFAULT_CONNECTION = "warehouse"
_TITLE = "IFS Cloud"


class Project(NamedTuple):
    """A project.

    Attributes:
        files: text of each generated file, by its path in the project.
        once: text of files that are the user's as soon as they are there.
        left_out: streams and properties that LookML can't name.
    """

    files: dict[str, str]
    once: dict[str, str]
    left_out: tuple[str, ...]


class Place(NamedTuple):
    """Where Looker finds the tables.

    Attributes:
        dialect: of the warehouse.
        schema: where the tables are.
        connection: the name of Looker's connection.
        model: the name of the model: letters of lower case, digits and underscores.
        roll_ups: which roll-up views stand beside the tables, if their streams do.
    """

    dialect: Dialect
    schema: str
    connection: str = DEFAULT_CONNECTION
    model: str = DEFAULT_MODEL
    roll_ups: frozenset[str] = ROLL_UPS


def project(tables: Iterable[Relation], place: Place) -> Project:
    """The project for the tables of streams and the roll-up views that stand beside them.

    Raises:
        IfsBiError: what was made breaks one of the rules (`target_looker_warehouse.lookml.rules`).
    """
    dialect, model = place.dialect, place.model
    given = list(tables)
    told = [table for table in given if expressible(table.table)]
    relations = together([*told, *roll_ups(told, dialect, place.roll_ups)])
    fields = {name: Fields(relation) for name, relation in relations.items()}
    views = {name: view_of(relation, fields, dialect) for name, relation in relations.items()}
    explores = [explore_of(relation, relations, fields) for relation in relations.values()]
    tiles = elements(views, model)

    lookml: dict[str, dict[str, Any]] = {
        f"{model}.model.lkml": {
            "connection": f"@{{{CONNECTION_CONSTANT}}}",
            "label": _TITLE,
            "week_start_day": "monday",
            "includes": [
                "/views/_generated/*.view.lkml",
                "/explores/_generated/*.explore.lkml",
                "/dashboards/_generated/*.dashboard.lookml",
                "/refinements/*.lkml",
            ],
            **({"datagroups": datagroups(explores, dialect)} if explores else {}),
        }
    }
    for name, view in views.items():
        lookml[f"views/_generated/{relations[name].view}.view.lkml"] = {"views": [view.lookml]}
    for explore in explores:
        path = f"explores/_generated/{explore.relation.view}.explore.lkml"
        lookml[path] = {"explores": [explore_lookml(explore, fields[explore.relation.name])]}
    if faults := broken(lookml, tiles):
        raise IfsBiError(  # a fault of this package, or names that nobody thought of
            f"The LookML for these streams would not be right, and nothing was written: {' '.join(faults)} "
            f"Report this with the SCHEMAs of the streams."
        )
    files = {path: written(tree) + "\n" for path, tree in lookml.items()}
    if tiles:
        files[f"dashboards/_generated/{model}.dashboard.lookml"] = dashboard_yaml(model, _TITLE, tiles)
    left_out = [plain(table.name) for table in given if table not in told]
    left_out += [f"{plain(name)}.{plain(prop)}" for name, found in fields.items() for prop in found.left_out]
    return Project(files, _once(place), tuple(left_out))


def _once(place: Place) -> dict[str, str]:
    constants = [
        {"name": name, "value": value, "export": "override_optional"}
        for name, value in ((CONNECTION_CONSTANT, place.connection), (SCHEMA_CONSTANT, place.schema))
    ]
    return {
        "manifest.lkml": written({"constants": constants}) + "\n",
        f"refinements/{place.model}.lkml": (
            "# This folder is yours: `ifs-bi lookml` writes this file once and never looks at it again. What you say here\n"
            "# is laid over the generated views, for example:\n"
            "#\n"
            "# view: +purchase_orders {\n"
            '#   dimension: buyer_code { label: "Buyer" }\n'
            "# }\n"
        ),
    }
