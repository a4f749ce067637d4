"""What ``ifs-bi ping`` looks at in IFS Cloud: sign-in, grants, Allowed Companies, the clock, and how the system cuts pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

import requests
from ifs_bi_core.errors import ConfigError, ContractBrokenError, ExitCode, IfsBiError
from ifs_bi_core.http.client import REAL
from ifs_bi_core.http.transport import transport
from ifs_bi_core.ping import Check, Ping, Status

from tap_ifs_cloud.allowed_companies import COMPANIES, WHERE, missing_companies, visible_companies
from tap_ifs_cloud.connection import base_url, connected, credentials, service_of
from tap_ifs_cloud.entities import catalogue
from tap_ifs_cloud.first_row import first_row
from tap_ifs_cloud.metadata import parse
from tap_ifs_cloud.page_limits import page_limits
from tap_ifs_cloud.paths import SEPARATOR
from tap_ifs_cloud.token import token_fetcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.http.message import Response
    from ifs_bi_core.singer.plugin import Plugin

    from tap_ifs_cloud.entities import Entity
    from tap_ifs_cloud.metadata import EntityType
    from tap_ifs_cloud.page_limits import PageLimits

_LARGE = ("gl_voucher_rows", "customer_order_lines", "purchase_order_lines", "customers")
"""Streams that have many rows on most tenants, so that a limit of pages shows."""

_SETS_FOR_LIMITS = 4
_SHOWN = 20  # companies that a sentence names
_LARGEST_SKEW_SECONDS = 60.0
_LONGEST_WAIT_SECONDS = 60.0
_LONGEST_RETRY_SECONDS = 10.0  # a ping tells how it is now


@dataclass(frozen=True)
class _Set:
    """An entity that the tenant has."""

    entity: Entity
    service: str
    entity_type: EntityType

    @property
    def key(self) -> tuple[str, ...]:
        return self.entity.key or self.entity_type.key


def checks(config: Mapping[str, Any], surroundings: Surroundings = REAL) -> Iterator[Check]:
    """Look at one thing after the other; where nothing more can be found out, it ends."""
    return _System(config, surroundings).checks()


class _System:
    """The configured system, and what is known of it so far."""

    def __init__(self, config: Mapping[str, Any], surroundings: Surroundings) -> None:
        limits = {
            "request_timeout_seconds": _LONGEST_WAIT_SECONDS,
            "retry_limit_seconds": _LONGEST_RETRY_SECONDS,
        }
        self._config = {**config, **{name: min(float(config[name]), most) for name, most in limits.items()}}
        self._surroundings = surroundings
        self._sets: dict[str, _Set | IfsBiError] = {}
        self._clock: tuple[float, Response, float] | None = None  # before, an answer, after

    def checks(self) -> Iterator[Check]:
        steps: tuple[tuple[str, Callable[[], Check]], ...] = (
            ("configuration", self._configuration),
            ("token", self._token),
            ("projection", self._projection),
            ("row", self._row),
            ("Allowed Companies", self._allowed_companies),
            ("clock", self._skew),
            ("pages", self._pages),
        )
        for name, step in steps:
            try:
                yield step()
            except IfsBiError as error:
                yield Check.failed(name, error)
                if name in {"configuration", "token", "projection"} or not isinstance(error, ContractBrokenError):
                    return  # every further line would say the same

    def _configuration(self) -> Check:
        self._client = credentials(self._config)
        self._entities = catalogue(self._config.get("entities") or [])
        self._cloud = connected(self._config, surroundings=self._surroundings)
        address = base_url(self._config)
        return Check("configuration", f"{address}, as {self._client.client_id}.", found={"base_url": address})

    def _token(self) -> Check:
        wire = transport(requests.Session(), timeout_seconds=self._config["request_timeout_seconds"])
        seconds = token_fetcher(self._client, wire)().lifetime
        return Check(
            "token",
            f"{self._client.client_id} is let in; a token lives {seconds:,.0f} seconds.",
            found={"token_url": self._client.token_url, "lifetime_seconds": seconds},
        )

    def _projection(self) -> Check:
        entity = self._first_readable().entity
        facts = {"projection": entity.projection, "endpoint": entity.endpoint}
        return Check("projection", f"{entity.projection} is granted: its $metadata can be read.", found=facts)

    def _row(self) -> Check:
        found = self._first_readable()
        row = first_row(self._cloud, found.service, found.entity.entity_set, found.key)
        where = found.entity.where
        facts = {"entity_set": found.entity.entity_set, "rows": row.rows, "etag": row.etag}
        if row.refusal is not None:
            return Check("row", row.refusal, Status.FAILED, ExitCode.FAILED, facts)
        if not row.rows:
            sentence = f"{where} is empty for this user. Give it companies {WHERE}, then ping again."
            return Check("row", sentence, Status.FAILED, ExitCode.FAILED, facts)
        return Check("row", f"{where} gave one. ETag: {row.sentence}.", found=facts)

    def _allowed_companies(self) -> Check:
        name = "Allowed Companies"
        try:
            found = self._set(self._entities[COMPANIES])
            properties = found.entity_type.properties
            key = [properties[each] for each in found.key]
            column = found.entity.company if found.entity.company in properties else found.key[0]
            size = self._config["page_size"]
            visible = visible_companies(self._cloud, found.service, found.entity, key, size, column)
        except ContractBrokenError as error:
            sentence = f"Which companies the user may see is not known, since CompanySet can't be read. {error}"
            return Check(name, sentence, Status.NOTICE)
        missing = missing_companies(self._config.get("companies") or (), visible)
        facts = {"visible": visible, "missing": missing}
        shown = ", ".join(visible[:_SHOWN]) + (f" and {len(visible) - _SHOWN} more" if len(visible) > _SHOWN else "")
        if not visible:
            sentence = (
                f"The user sees no company, so whatever belongs to one reads as empty. Give it companies {WHERE}."
            )
        elif missing:
            sentence = (
                f"The user does not see {', '.join(missing)} of the setting `companies`, so what belongs there reads as empty. "
                f"Add them {WHERE}, or take them out of the setting. It sees {shown}."
            )
        else:
            return Check(name, f"The user sees {shown}.", found=facts)
        return Check(name, sentence, Status.FAILED, ExitCode.FAILED, facts)

    def _skew(self) -> Check:
        if self._clock is None:
            raise RuntimeError("nothing was read before")
        before, response, after = self._clock
        try:
            there = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
        except ValueError:
            return Check("clock", "IFS Cloud doesn't say what time it has there.", Status.NOTICE)
        # The header holds whole seconds, of some moment while the answer was under way.
        skew = min(0.0, there + 1 - before) + max(0.0, there - after)
        facts = {"skew_seconds": round(skew)}
        if abs(skew) <= _LARGEST_SKEW_SECONDS:
            return Check("clock", "This machine and IFS Cloud have the same time, to a minute.", found=facts)
        sentence = (
            f"This machine's clock is {abs(skew):,.0f} seconds {'behind' if skew > 0 else 'ahead of'} IFS Cloud's. "
            f"Set it by NTP: bookmarks and `lookback_seconds` go by it."
        )
        return Check("clock", sentence, Status.NOTICE, found=facts)

    def _pages(self) -> Check:
        """The limits that show on the first set that is large enough, else what the largest of them tells."""
        asked = self._config.get("streams") or _LARGE
        names = dict.fromkeys(chain((name for name in _LARGE if name in asked), asked))
        found: list[PageLimits] = []
        for name in list(names)[:_SETS_FOR_LIMITS]:
            try:
                known = self._set(self._entities[name])
                size = self._config["page_size"]
                found.append(page_limits(self._cloud, known.service, known.entity.entity_set, known.key, size))
            except ContractBrokenError:
                continue
            if found[-1].is_certain:
                break
        best = max(found, key=lambda limits: (limits.is_certain, limits.rows), default=None)
        if best is None or not best.rows:
            return Check("pages", "No set with rows was found that shows how pages are cut.", Status.NOTICE)
        return Check("pages", best.sentence, found=best.facts)

    def _first_readable(self) -> _Set:
        """Companies, or the first of the wanted streams that is granted; raises the first refusal where none is."""
        names = self._config.get("streams") or self._entities
        unknown = [name for name in names if name not in self._entities]
        if unknown:
            raise ConfigError(f"streams names {', '.join(unknown)}, neither built in nor among `entities`.")
        refusal: ContractBrokenError | None = None
        for name in dict.fromkeys((COMPANIES, *names)):
            try:
                return self._set(self._entities[name])
            except ContractBrokenError as error:
                refusal = refusal or error
        raise refusal or ConfigError("There is no entity to ask for.")

    def _set(self, entity: Entity) -> _Set:
        """An entity as the tenant has it, asked for once; of joined ones the last, of a collection the set before it."""
        while entity.stages:
            entity = self._entities[entity.stages[-1][1]]
        name, _, collection = entity.entity_set.partition(SEPARATOR)
        if collection:
            entity = replace(entity, entity_set=name, key=())
        if entity.name not in self._sets:
            try:
                self._sets[entity.name] = self._asked(entity)
            except ContractBrokenError as error:
                self._sets[entity.name] = error
        found = self._sets[entity.name]
        if isinstance(found, IfsBiError):
            raise found
        return found

    def _asked(self, entity: Entity) -> _Set:
        service = service_of(self._config, entity.projection, entity.endpoint, entity.service)
        operation = f"$metadata of {entity.projection}"
        before = self._surroundings.clock()
        response = self._cloud.get(f"{service}/$metadata", operation, accept="application/xml")
        self._clock = before, response, self._surroundings.clock()
        entity_type = parse(response.body, operation).entity_sets.get(entity.entity_set)
        if entity_type is None:
            raise ContractBrokenError(
                f"{entity.projection} has no entity set {entity.entity_set}. See: ifs-bi entities {entity.projection}."
            )
        found = _Set(entity, service, entity_type)
        if not found.key or not set(found.key) <= entity_type.properties.keys():
            raise ContractBrokenError(f"{entity.where} has no key. Name the properties that identify a row with `key`.")
        return found


def _plugin() -> type[Plugin]:
    from tap_ifs_cloud.tap import TapIfsCloud  # noqa: PLC0415 - the SDK loads when a ping begins, not for the list of verbs

    return TapIfsCloud


PING = Ping("IFS Cloud", _plugin, checks)
"""The entry point."""
