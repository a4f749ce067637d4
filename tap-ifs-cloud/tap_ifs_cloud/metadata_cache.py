"""``$metadata`` kept in the state folder, so that discovery costs no request in most runs.

A document is believed for a day. After that the server is asked whether it still holds, by ``If-None-Match`` where it gave an
ETag; a document that lacks what the configuration names is asked for again at once, so that a new custom field or a newly
activated entity set needs no waiting. What is refused (403, 404) is never kept: a grant has its effect in the next run.

The files may be deleted at any time. One that is damaged, or that a newer version can't read, counts as absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import time
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ifs_bi_core.errors import ContractBrokenError

from tap_ifs_cloud.metadata import LARGEST_DOCUMENT, parse
from tap_ifs_cloud.paths import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tap_ifs_cloud.entities import Entity
    from tap_ifs_cloud.metadata import Metadata

MAX_AGE_SECONDS = 86_400.0
"""How long a document is believed without asking the server."""

_LAYOUT = "ifs-bi-metadata-1"


class Document(NamedTuple):
    """``$metadata`` as the server sent it, and its ETag where it gave one."""

    body: bytes
    etag: str | None = None


Fetch: TypeAlias = "Callable[[str | None], Document | None]"
"""Asks the server for the document: given an ETag, the answer may be None, which says that the one of this ETag still holds."""


@dataclass(frozen=True)
class _Kept:
    """A document in the cache; ``checked_at`` is when the server last stood by it, in seconds since the epoch."""

    service: str
    document: Document
    checked_at: float


class MetadataCache:
    """The ``$metadata`` documents of services, by the service's address.

    Args:
        state_dir: where plugins keep what outlives a run; the files are in ``metadata/`` of it.
        clock: seconds since the epoch.
    """

    def __init__(self, state_dir: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = state_dir / "metadata"
        self._clock = clock
        self._new: dict[str, Metadata] = {}  # what this process had from the server is not asked for twice
        self._old: dict[str, tuple[Metadata, _Kept]] = {}  # what it read from a file is not read twice
        self._log = logging.getLogger(__name__)

    def metadata(self, service: str, fetch: Fetch, *, accepts: Callable[[Metadata], bool] = lambda _: True) -> Metadata:
        """What a service offers: from the cache where that is good enough, else from the server.

        Args:
            service: address of the projection or entity service; the cache's key.
            fetch: asks the server; its errors pass through.
            accepts: whether a kept document has what is needed; one that doesn't is asked for again. What the server says now is
                returned in any case.

        Raises:
            ContractBrokenError: what the server sent is no EDMX document; it is not kept.
        """
        if service in self._new:
            return self._new[service]
        known, kept = self._old.get(service) or self._from_file(service)
        if known and kept and 0 <= self._clock() - kept.checked_at < MAX_AGE_SECONDS and accepts(known):
            self._old[service] = known, kept
            return known
        answer = fetch(kept.document.etag if kept else None)
        if answer is not None:
            known, kept = parse(answer.body, _operation(service)), _Kept(service, answer, self._clock())
        elif known and kept:
            kept = replace(kept, checked_at=self._clock())
        else:
            raise ContractBrokenError(
                f"{_operation(service)}: IFS Cloud says that nothing has changed, though nothing is kept. Run again."
            )
        self._keep(kept)
        self._new[service] = known
        return known

    def has(self, service: str, accepts: Callable[[Metadata], bool]) -> bool:
        """Whether a document is kept that has what is needed, however old; nobody is asked."""
        if service in self._new:
            return accepts(self._new[service])
        known, kept = self._old.get(service) or self._from_file(service)
        if known and kept:
            self._old[service] = known, kept
        return known is not None and accepts(known)

    def forget(self, service: str) -> None:
        """Ask the server for this document the next time, whatever is kept."""
        self._new.pop(service, None)
        self._old.pop(service, None)
        with contextlib.suppress(OSError):
            self._path(service).unlink()

    def _from_file(self, service: str) -> tuple[Metadata, _Kept] | tuple[None, None]:
        kept = self._read(service)
        if kept is None:
            return None, None
        try:
            return parse(kept.document.body, _operation(service)), kept
        except ContractBrokenError:
            return None, None

    def _read(self, service: str) -> _Kept | None:
        """What the file holds; None where there is none, or where it is not as it was written."""
        try:
            head, _, packed = self._path(service).read_bytes().partition(b"\n")
            said = json.loads(head)
            if (said["layout"], said["service"]) != (_LAYOUT, service) or said["digest"] != _digest(said, packed):
                return None
            unpacking = zlib.decompressobj()
            body = unpacking.decompress(packed, LARGEST_DOCUMENT + 1)
            return _Kept(service, Document(body, said["etag"]), float(said["checked_at"]))
        except (OSError, ValueError, KeyError, TypeError, zlib.error):
            return None

    def _keep(self, kept: _Kept) -> None:
        """Replace the file as a whole. Where that can't be done, the next run asks the server again."""
        packed = zlib.compress(kept.document.body)
        said = {
            "layout": _LAYOUT,
            "service": kept.service,
            "etag": kept.document.etag,
            "checked_at": kept.checked_at,
        }
        head = json.dumps(said | {"digest": _digest(said, packed)}).encode()
        path = self._path(kept.service)
        mine = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            mine.write_bytes(head + b"\n" + packed)
            mine.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                mine.unlink()
            self._log.warning(
                "What IFS Cloud offers can't be kept in %s (%s), so every run asks for it.",
                self._folder,
                error.strerror,
            )

    def _path(self, service: str) -> Path:
        digest = hashlib.sha256(service.encode()).hexdigest()[:16]
        return self._folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', _projection(service))[:80]}-{digest}"


def names_of(entity: Entity) -> Callable[[Metadata], bool]:
    """For ``accepts``: whether a document has the set and everything of it that the configuration names.

    The replication key of a built-in entity is not among it: some tenants don't have it, and would be asked in every run.
    """

    def accepts(metadata: Metadata) -> bool:
        entity_type = rows_of(metadata, entity.entity_set)
        if entity_type is None:
            return False
        named = {*entity.key, *entity.select}
        if entity.sure == "configured":
            named |= {name for name in (entity.modified, entity.company) if name}
        return named <= entity_type.properties.keys() and set(entity.expand) <= entity_type.references.keys()

    return accepts


def _digest(said: Mapping[str, object], packed: bytes) -> str:
    facts = json.dumps([said["service"], said["etag"], said["checked_at"]]).encode()
    return hashlib.sha256(facts + b"\n" + packed).hexdigest()


def _projection(service: str) -> str:
    return service.rpartition("/")[2].removesuffix(".svc")


def _operation(service: str) -> str:
    return f"$metadata of {_projection(service)}"
