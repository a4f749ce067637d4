"""An operation joined with the entity set it is about: what can be checked before anything is sent, and the request: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ifs_bi_core.errors import RowRejectedError
from ifs_bi_core.http.message import Request
from ifs_bi_core.singer.lines import encode

from tap_ifs_cloud.client import EXACT_JSON, PLAIN_JSON
from tap_ifs_cloud.odata import fixed_width
from tap_ifs_cloud.write_back.operations import Kind, Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_ifs_cloud.write_back.resources import Resource

_METHODS = {Kind.UPDATE: "PATCH", Kind.CREATE: "POST", Kind.DELETE: "DELETE", Kind.ACTION: "POST"}


@dataclass(frozen=True)
class Task:
    """An operation that fits its entity set; see `tap_ifs_cloud.write_back.decisions.Subject`.

    Attributes:
        operation: as it was given.
        resource: the entity set.
        values: what it sets or creates, checked; an action's parameters as they came, since ``$metadata`` is not asked for them.
        record_url: of its record; None for a create whose key IFS Cloud makes.
        version: the version of the record that it is for, fixed width.
    """

    operation: Operation
    resource: Resource
    values: Mapping[str, Any]
    record_url: str | None
    version: str | None

    @classmethod
    def of(cls, operation: Operation, resource: Resource) -> Self:
        """Join the two.

        Raises:
            RowRejectedError: they don't fit.
        """
        kind = operation.kind
        values = operation.values if kind is Kind.ACTION else resource.checked(operation.values)
        key = resource.known_key(values) if kind is Kind.CREATE else operation.key
        try:
            version = operation.version and fixed_width(operation.version)
        except ValueError:
            raise RowRejectedError("Its version is no timestamp. Give the _ifs_row_version of the record.") from None
        return cls(operation, resource, values, resource.record_url(key) if key else None, version)

    @property
    def kind(self) -> Kind:
        """What it does."""
        return self.operation.kind

    @property
    def has_key(self) -> bool:
        """Whether its record can be looked up."""
        return self.record_url is not None

    @property
    def words(self) -> str:
        """What it is, for logs and errors."""
        return self.operation.words

    def differing(self, row: Mapping[str, Any]) -> list[str]:
        """Which of its values the row does not hold."""
        return self.resource.differing(self.values, row)

    def touched(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
        """Which of the properties that it sets are not as they were."""
        return [name for name in self.values if before.get(name) != after.get(name)]

    def request(self, etag: str | None, *, exact: bool) -> Request:
        """What is sent.

        Args:
            etag: of the record, as it was when it was looked at.
            exact: whether decimals are written as text (``IEEE754Compatible=true``).
        """
        headers = {"Accept": EXACT_JSON if exact else PLAIN_JSON}
        body = None
        if self.kind is Kind.ACTION:  # nobody says which of its parameters are decimals
            headers["Content-Type"], body = PLAIN_JSON, encode(dict(self.values))
        elif self.kind is not Kind.DELETE:
            headers["Content-Type"], body = headers["Accept"], self.resource.body(self.values, exact=exact)
        if etag is not None:
            headers["If-Match"] = etag
        return Request(_METHODS[self.kind], self._url, headers=headers, body=body, operation=self.words)

    @property
    def _url(self) -> str:
        if self.kind is Kind.ACTION and self.operation.action:
            return self.resource.action_url(self.operation.key, self.operation.action)
        return self.resource.url if self.kind is Kind.CREATE or self.record_url is None else self.record_url
