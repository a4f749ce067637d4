"""The OData provider: one request in, one answer out."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING

import orjson

from ifs_bi_sandbox.ifs.errors import OdpError, not_implemented
from ifs_bi_sandbox.ifs.exchange import JSON, Answer, Call
from ifs_bi_sandbox.ifs.metadata import service_document
from ifs_bi_sandbox.ifs.path import Segment, segments
from ifs_bi_sandbox.ifs.query import OF_A_DOCUMENT, parse
from ifs_bi_sandbox.ifs.reading import Reading
from ifs_bi_sandbox.ifs.resource import Reach
from ifs_bi_sandbox.ifs.writing import Writing

if TYPE_CHECKING:
    from ifs_bi_sandbox.ifs.catalogue import Catalogue, Service
    from ifs_bi_sandbox.ifs.store import Store
    from ifs_bi_sandbox.ifs.writer import Writer
    from ifs_bi_sandbox.world import World


class Provider:
    """Answers requests from a catalogue and a store, as the switches say at that moment."""

    def __init__(self, catalogue: Catalogue, store: Store, writer: Writer, world: World) -> None:
        self._catalogue = catalogue
        self._store = store
        self._writer = writer
        self._world = world
        self._reads = itertools.count()

    def answer(self, call: Call) -> Answer:
        """Answer one authenticated request.

        Raises:
            OdpError: What is answered with an error.
        """
        head, *path = segments(call.path)
        service = self._service(call.place, head)
        root = f"{call.root}{service.name}.svc/"
        if not path:
            return _document(call, service, root)
        if path[0].name.startswith("$"):
            return _metadata(call, service, path)
        switches = self._world.switches
        reach = Reach(service, switches.allowed_companies)
        if call.method == "GET":
            with self._store.reading() as connection:
                return Reading(switches, reach, connection, call, root, next(self._reads)).answer(tuple(path))
        with self._store.writing() as connection:
            resource = reach.find(tuple(path), connection)
            numbered = frozenset(switches.numbered_sets)
            return Writing(self._writer, reach, connection, call, root, numbered).answer(resource)

    def _service(self, place: tuple[str, str], head: Segment) -> Service:
        """The service that the path's first segment names, if the tenant has it and lets us in."""
        name = head.name.removesuffix(".svc")
        service = self._catalogue.find(*place, name)
        switches = self._world.switches
        closed = switches.missing_projections + (switches.inactive_entity_services if place[1] == "entity" else [])
        if service is None or head.name == name or head.arguments is not None or name in closed:
            raise OdpError("ODP_RESOURCE_NOTFOUND")
        if name in switches.forbidden_projections:
            raise OdpError("SE_UNAUTHORIZED")
        return service


def _document(call: Call, service: Service, root: str) -> Answer:
    if call.method != "GET":
        raise OdpError("ODP_METHOD_NOT_ALLOWED")
    parse(call.query, OF_A_DOCUMENT)
    document = service_document(f"{root}$metadata", service.layouts.values())
    return Answer(200, orjson.dumps(document), {"Content-Type": JSON})


def _metadata(call: Call, service: Service, path: list[Segment]) -> Answer:
    if path != [Segment("$metadata")]:
        raise not_implemented(str(path[0]))
    if call.method != "GET":
        raise OdpError("ODP_METHOD_NOT_ALLOWED")
    tag = f'W/"{hashlib.sha256(service.metadata).hexdigest()[:32]}"'
    if call.headers.get("if-none-match") == tag:
        return Answer(304, b"", {"ETag": tag})
    return Answer(200, service.metadata, {"Content-Type": "application/xml", "ETag": tag})
