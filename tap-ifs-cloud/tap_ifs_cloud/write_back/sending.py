"""Requests to IFS Cloud that look at records and change them."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from ifs_bi_core.errors import (
    AuthError,
    ContractBrokenError,
    IfsBiError,
    OutcomeUnknownError,
    RowRejectedError,
    ThrottledError,
    UnavailableError,
)
from ifs_bi_core.http.client import REAL, client
from ifs_bi_core.http.message import UNREADABLE, Request, Response
from ifs_bi_core.http.policies import with_throttle
from ifs_bi_core.http.retry import RetryRules, next_wait
from ifs_bi_core.http.tokens import TokenSource
from ifs_bi_core.http.transport import transport
from ifs_bi_core.singer.lines import decode

from tap_ifs_cloud.candidates import candidates, place_of
from tap_ifs_cloud.client import EXACT_JSON, PLAIN_JSON, WISH_REFUSED
from tap_ifs_cloud.connection import credentials, limiter_of, service_of
from tap_ifs_cloud.entities import catalogue
from tap_ifs_cloud.metadata_cache import Document, MetadataCache, names_of
from tap_ifs_cloud.odata import ETAG_MEMBER
from tap_ifs_cloud.outcomes import failure
from tap_ifs_cloud.token import token_fetcher
from tap_ifs_cloud.write_back.answers import Answer, Meaning, answer_of
from tap_ifs_cloud.write_back.course import Record
from tap_ifs_cloud.write_back.resources import entity_named, resource_of
from tap_ifs_cloud.write_back.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.http.policies import Attempt

    from tap_ifs_cloud.entities import Entity
    from tap_ifs_cloud.metadata import Metadata
    from tap_ifs_cloud.write_back.operations import Operation
    from tap_ifs_cloud.write_back.resources import Resource

_READINGS = 3
_REPETITIONS = 2  # MI_MODIFIED_ERROR: "repeat the call" (reference: IFS's documentation, as users quote it)
_STOPPING: Mapping[int, type[IfsBiError]] = {401: AuthError, 429: ThrottledError}
_NOT_NOW = frozenset({502, 503, 504})


class Writer:
    """Looks at records of one IFS Cloud system and changes them, within its limits.

    Args:
        config: the tap's settings, resolved and checked.
        observe: hears of every attempt.
        surroundings: clock, sleep and dice.

    Raises:
        ConfigError: the settings name no system that can be called.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        observe: Callable[[Attempt], None] = lambda _: None,
        surroundings: Surroundings = REAL,
    ) -> None:
        self._config = config
        self._surroundings = surroundings
        self._log = logging.getLogger(__name__)
        self._known = catalogue(config.get("entities") or [])
        self._resources: dict[str, Resource | RowRejectedError] = {}
        self._cache = MetadataCache(Path(config["state_dir"]))
        self._reads_exact: bool | None = None  # whether decimals come as text; None until an answer has told
        self._writes_exact: bool | None = None  # the same for what is sent
        self._rules = RetryRules(limit_seconds=float(config["retry_limit_seconds"]))
        wire = transport(requests.Session(), timeout_seconds=float(config["request_timeout_seconds"]))
        limiter = limiter_of(config)
        self._send = client(
            wire,
            tokens=TokenSource(token_fetcher(credentials(config), with_throttle(wire, limiter))),
            limiter=limiter,
            rules=self._rules,
            observe=observe,
            logger=self._log,
            surroundings=surroundings,
        )

    @property
    def streams(self) -> frozenset[str]:
        """The streams whose names an operation may use."""
        return frozenset(self._known)

    def entity(self, name: str) -> Entity:
        """The entity of that name.

        Raises:
            ConfigError: there is none.
        """
        return entity_named(name, self._known)

    def resource(self, name: str, properties: Iterable[str] = ()) -> Resource:
        """The entity set of that name on this tenant; ``properties`` are those that it should have.

        Raises:
            RowRejectedError: the tenant has no such set, doesn't let us in, or nobody can write to it.
            IfsBiError: the tenant can't say.
        """
        found = self._resources.get(name)
        if found is None:
            try:
                found = self._found(self.entity(name), frozenset(properties))
            except (ContractBrokenError, RowRejectedError) as error:
                found = RowRejectedError(str(error))
            self._resources[name] = found
        if isinstance(found, RowRejectedError):
            raise found
        return found

    def task(self, operation: Operation) -> Task:
        """The operation joined with its entity set.

        Raises:
            RowRejectedError: they don't fit.
            IfsBiError: the tenant can't say.
        """
        return Task.of(operation, self.resource(operation.entity, operation.values))

    def look(self, task: Task) -> Record | None:
        """The task's record as it is now; None where there is none.

        Raises:
            RowRejectedError: this record can't be looked at.
            IfsBiError: nothing can be looked at now.
        """
        url, words = task.record_url or "", f"look before {task.words}"
        for _ in range(_READINGS):  # an answer that a proxy cut off can be complete the next time
            response = self._read(url, words)
            if response.status == requests.codes.not_found:
                return None
            if not response.ok:
                raise self._no_look(response, words)
            try:
                row = decode(response.body)
            except UNREADABLE:
                continue
            if isinstance(row, dict):
                return Record(row, row.get(ETAG_MEMBER) or response.headers.get("ETag"))
        raise OutcomeUnknownError(
            f"{words}: IFS Cloud's answer is cut off, or no record. Check that base_url leads to IFS Cloud and not to a "
            f"sign-in page, then run again."
        )

    def write(self, task: Task, etag: str | None) -> Answer:
        """Send the task once, and again where IFS Cloud says that it wants the same, or another form.

        Raises:
            IfsBiError: it was not done, and nothing else can be done now.
        """
        form = self._reads_exact if self._writes_exact is None else self._writes_exact
        answer = self._written(task, etag, exact=form is not False)
        if answer.meaning is Meaning.FORM and self._writes_exact is None and task.values:
            plain = self._written(task, etag, exact=False)
            if plain.meaning is not Meaning.FORM:  # else it was not the form
                self._writes_exact = False if plain.meaning is Meaning.DONE else None
                return plain
        elif answer.meaning is Meaning.DONE and task.values:
            self._writes_exact = form is not False
        return answer

    def pause(self, sendings: int) -> None:
        """Wait before a record is looked at whose change is in doubt: it may just be happening."""
        wait = next_wait(
            self._rules,
            attempt=sendings,
            outcome=OutcomeUnknownError(),
            safe_twice=True,
            elapsed=0,
            now=0,
            chance=self._surroundings.chance(),
        )
        self._surroundings.sleep(wait or 0)

    def _found(self, entity: Entity, wanted: frozenset[str]) -> Resource:
        if entity.stages:
            raise RowRejectedError(f"{entity.name} joins {entity.where}: name the one that holds the record.")
        # Where a tenant has an entity at another place than the first, the tap that read it has kept what that place offers.
        places = [(place, service_of(self._config, *place_of(place))) for place in candidates(entity)]
        entity, service = next((one for one in places if self._cache.has(one[1], names_of(one[0]))), places[0])
        words = f"$metadata of {entity.projection}"

        def fetch(etag: str | None) -> Document | None:
            asked = {"Accept": "application/xml"} | ({"If-None-Match": etag} if etag else {})
            response = self._sent(Request("GET", f"{service}/$metadata", headers=asked, operation=words))
            if etag and response.status == requests.codes.not_modified:
                return None
            if not response.ok:
                raise failure(response, words)
            return Document(response.body, response.headers.get("ETag"))

        def accepts(metadata: Metadata) -> bool:
            kind = metadata.entity_sets.get(entity.entity_set)
            return kind is not None and wanted <= kind.properties.keys()

        return resource_of(entity, service, self._cache.metadata(service, fetch, accepts=accepts))

    def _sent(self, request: Request) -> Response:
        headers = {"Accept-Encoding": "gzip", "User-Agent": self._config["user_agent"], **request.headers}
        return self._send(replace(request, headers=headers))

    def _read(self, url: str, words: str) -> Response:
        """The answer to a GET with exact decimals; where the system never gave one, it may refuse the very wish."""

        def get(accept: str) -> Response:
            return self._sent(Request("GET", url, headers={"Accept": accept}, operation=words))

        if self._reads_exact is False:
            return get(PLAIN_JSON)
        response = get(EXACT_JSON)
        if response.ok:
            self._reads_exact = True
        elif self._reads_exact is None and response.status in WISH_REFUSED:
            plain = get(PLAIN_JSON)
            if plain.ok:
                self._reads_exact = False
                return plain
        return response

    def _no_look(self, response: Response, words: str) -> IfsBiError:
        said = answer_of(response, words).said
        if error := _STOPPING.get(response.status):
            return error(said)
        return UnavailableError(f"{said} Run again later.") if response.status in _NOT_NOW else RowRejectedError(said)

    def _written(self, task: Task, etag: str | None, *, exact: bool) -> Answer:
        request = task.request(etag, exact=exact)
        for _ in range(1 + _REPETITIONS):
            try:
                response = self._sent(request)
            except OutcomeUnknownError as error:
                return Answer(Meaning.DOUBT, str(error))
            answer = answer_of(response, task.words)
            if answer.meaning is Meaning.STOP:
                raise _STOPPING.get(response.status, UnavailableError)(answer.said)
            if answer.meaning is not Meaning.AGAIN:
                break
        return answer
