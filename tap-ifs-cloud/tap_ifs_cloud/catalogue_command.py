"""``ifs-bi projections`` and ``ifs-bi entities``: what the tenant offers to be read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ifs_bi_core.errors import ConfigError, ContractBrokenError, IfsBiError

from tap_ifs_cloud.connection import connected, metadata_of, service_of
from tap_ifs_cloud.first_row import first_row
from tap_ifs_cloud.metadata_cache import MetadataCache
from tap_ifs_cloud.offer import company_collections, machine_form, offers, stream_names
from tap_ifs_cloud.offer_text import offers_text, offers_yaml
from tap_ifs_cloud.projections import PROJECTION, listed, matching, near, projections_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.metadata import Metadata
    from tap_ifs_cloud.metadata_cache import Document
    from tap_ifs_cloud.offer import Offer

_config = click.option(
    "--config",
    "sources",
    multiple=True,
    default=("ENV",),
    metavar="FILE",
    show_default=True,
    help="The tap's configuration file, or ENV for its environment variables; may be given again.",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="A JSON list of objects.")
_PLACES = (("main", "projection"), ("int", "entity"), ("int", "projection"), ("b2b", "projection"))
"""Where a service may be: endpoint and kind; first the usual place of projections, then that of entity services."""


@click.command("projections")
@click.option(
    "--search", "words", multiple=True, metavar="WORD", help="Whose name, category or description holds WORD."
)
@_config
@_as_json
def projections(words: tuple[str, ...], sources: tuple[str, ...], *, as_json: bool) -> None:
    """List the projections and entity services of the tenant."""
    config = _settings(sources)
    found = matching(listed(connected(config), service_of(config, PROJECTION, *_PLACES[0])), words)
    if as_json:
        click.echo(json.dumps([{"name": one.name, **one.columns} for one in found], default=str))
    elif found:
        click.echo(projections_text(found))
    else:
        click.echo(f"No projection holds {' and '.join(words)}." if words else "The list of projections is empty.")


@click.command("entities")
@click.argument("projection", metavar="PROJECTION")
@click.argument("entity_sets", nargs=-1, metavar="[SET]...")
@click.option("--endpoint", type=click.Choice(["main", "int", "b2b"]), help="[default: main; int for …Entity]")
@click.option(
    "--service", type=click.Choice(["projection", "entity"]), help="[default: projection; entity for …Entity]"
)
@click.option("--refresh", is_flag=True, help="Read $metadata from the server, whatever is kept of it.")
@click.option("--no-rows", is_flag=True, help="Don't ask each set for one row, which tells whether there are ETags.")
@_config
@click.option("--yaml", "as_yaml", is_flag=True, help="Items for the setting `entities`.")
@_as_json
def entities(
    projection: str, entity_sets: tuple[str, ...], sources: tuple[str, ...], *, no_rows: bool, **options: Any
) -> None:
    """Show what PROJECTION has: entity sets with keys, fields, references, ETags.

    Of dates and timestamps, it names those that may tell of changes; whether they do, only the entity's owner knows.

    \b
        ifs-bi entities PurchaseOrderHandling PurchaseOrderSet --yaml
        ifs-bi entities PurchaseOrderLineEntity
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    if options["as_json"] and options["as_yaml"]:
        raise ConfigError("Ask for --json or for --yaml, not for both.")
    config = _settings(sources)
    name = projection.removesuffix(".svc")
    default_endpoint, default_service = _PLACES[1] if name.endswith("Entity") else _PLACES[0]
    place = options["endpoint"] or default_endpoint, options["service"] or default_service
    cloud = connected(config)
    metadata = _metadata(cloud, config, name, place, refresh=options["refresh"])
    offered = offers(metadata, projection=name, endpoint=place[0], service=place[1])
    collections = company_collections(metadata, offered)
    in_full = bool(entity_sets)
    chosen = _named([*offered, *collections] if in_full or options["as_yaml"] else offered, entity_sets, name)
    if not no_rows:
        service = service_of(config, name, *place)
        chosen = [
            _with_row(cloud, service, offer)
            if offer not in collections and (in_full or not offer.is_list_of_values)
            else offer
            for offer in chosen
        ]
    if options["as_json"]:
        click.echo(json.dumps([machine_form(*pair) for pair in zip(chosen, stream_names(chosen), strict=True)]))
    elif options["as_yaml"]:
        click.echo(offers_yaml([offer for offer in chosen if in_full or not offer.is_list_of_values]))
    else:
        click.echo(offers_text(chosen, in_full=in_full))


def _settings(sources: Sequence[str]) -> Mapping[str, Any]:
    # Here and not above: the list of verbs needn't wait for the SDK to load.
    from ifs_bi_core.singer.configuration import settings_of  # noqa: PLC0415 - the reason is the line above

    from tap_ifs_cloud.tap import TapIfsCloud  # noqa: PLC0415 - the same

    return settings_of(TapIfsCloud, sources)


def _metadata(
    cloud: IfsCloud, config: Mapping[str, Any], projection: str, place: tuple[str, str], *, refresh: bool
) -> Metadata:
    cache = MetadataCache(Path(config["state_dir"]))
    service = service_of(config, projection, *place)
    if refresh:
        cache.forget(service)
    ask = metadata_of(cloud, service)

    def fetch(etag: str | None) -> Document | None:
        try:
            return ask(etag)
        except ContractBrokenError as error:
            raise _explained(error, cloud, config, projection, place) from None

    return cache.metadata(service, fetch)


def _explained(
    error: ContractBrokenError, cloud: IfsCloud, config: Mapping[str, Any], projection: str, place: tuple[str, str]
) -> IfsBiError:
    """The refusal of a service, with what the tenant's own list and its other addresses tell about the name."""
    try:
        names = [one.name for one in listed(cloud, service_of(config, PROJECTION, *_PLACES[0]))]
    except ContractBrokenError:
        return error  # the list isn't granted, so nothing more is known
    if projection not in names:
        alike = near(projection, names)
        hint = (
            f"Near it are {', '.join(alike)}."
            if alike
            else "None is called alike: see ifs-bi projections --search WORD."
        )
        return ConfigError(f"The tenant has no projection {projection}. {hint}")
    for endpoint, service in _PLACES:
        if (endpoint, service) != place and _answers(cloud, service_of(config, projection, endpoint, service)):
            return ConfigError(
                f"{projection} is not at /{place[0]} as {place[1]}, but at /{endpoint} as {service}. "
                f"Add: --endpoint {endpoint} --service {service}."
            )
    return error


def _answers(cloud: IfsCloud, service: str) -> bool:
    try:
        metadata_of(cloud, service)(None)
    except ContractBrokenError:
        return False
    return True


def _named(offered: list[Offer], names: Sequence[str], projection: str) -> list[Offer]:
    by_name = {offer.entity_set: offer for offer in offered}
    for name in names:
        if name not in by_name:
            alike = near(name, by_name) or list(by_name)
            raise ConfigError(f"{projection} has no entity set {name}. It has {', '.join(alike) or 'none'}.")
    return [by_name[name] for name in names] or offered


def _with_row(cloud: IfsCloud, service: str, offer: Offer) -> Offer:
    select = offer.entity_type.key or tuple(offer.entity_type.properties)[:1]
    return replace(offer, first_row=first_row(cloud, service, offer.entity_set, select))
