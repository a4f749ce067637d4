"""The operations of Power BI's REST API that the target needs, each one request: values in, values out.

Paths and bodies: microsoft/PowerBI-CSharp ``sdk/swaggers/swagger.json``. Refusals become errors by `target_powerbi.outcomes`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import requests
from ifs_bi_core.errors import ConfigError, ContractBrokenError, OutcomeUnknownError, RowRejectedError
from ifs_bi_core.http.client import REAL, client
from ifs_bi_core.http.limits import SlidingWindow
from ifs_bi_core.http.message import UNREADABLE, Request
from ifs_bi_core.http.retry import RetryRules
from ifs_bi_core.http.tokens import TokenSource
from ifs_bi_core.http.transport import transport
from ifs_bi_core.singer.lines import decode, encode

from target_powerbi.dax import quoted_column, quoted_table
from target_powerbi.limits import LIMITS
from target_powerbi.outcomes import NOTHING_HAPPENED, REFUSED, refusal, token_refused
from target_powerbi.sign_in import SignIn
from target_powerbi.tables import BATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.http.limits import Limiter
    from ifs_bi_core.http.message import Response, Send
    from ifs_bi_core.http.policies import Attempt

    from target_powerbi.pace import Turn
    from target_powerbi.settings import Settings

_LOG = logging.getLogger(__name__)

_ATTEMPTS = 100  # the time limit ends the tries, not their number
_REFUSALS_OF_ROWS = frozenset({400, 413})
"""Statuses that are about the rows of a POST: fewer of them, or others, may be accepted. Nothing of the request was stored."""
_JSON = {"Content-Type": "application/json; charset=utf-8"}
_RETENTION = {"none": "None", "basicFIFO": "basicFIFO"}
_NUMBER = "X-PowerBI-PushData-SequenceNumber"
"""A header of 2016 that the present definitions don't know (archived post "New features for the Power BI Dataset API")."""


@dataclass(frozen=True)
class Dataset:
    """A dataset of the workspace; `push`: rows can be added to it by this API."""

    id: str
    name: str
    push: bool


class PowerBI:
    """One workspace of Power BI, within its limits.

    Args:
        rows: what sends a POST of rows, given the limiter that its attempts wait for.
        others: sends everything else.
        workspace: address of the workspace: ``https://api.powerbi.com/v1.0/myorg/groups/<id>``.
    """

    def __init__(self, *, rows: Callable[[Limiter], Send], others: Send, workspace: str) -> None:
        self._rows = rows
        self._others = others
        self._workspace = workspace

    def datasets(self) -> list[Dataset]:
        """All datasets of the workspace; the service gives them in one piece."""
        return [_dataset(item) for item in self._list(f"{self._workspace}/datasets", "list of datasets")]

    def dataset(self, dataset_id: str) -> Dataset:
        """One dataset."""
        return _dataset(self._json(Request("GET", self._at(dataset_id), operation=f"dataset {dataset_id}")))

    def create(
        self,
        name: str,
        tables: list[dict[str, Any]],
        relationships: list[dict[str, str]] | None = None,
        *,
        retention: str = "none",
    ) -> str:
        """Make a push dataset with a retention policy; its id. Done twice, it makes two of one name.

        Raises:
            OutcomeUnknownError: it may have been made all the same.
        """
        request = Request(
            "POST",
            f"{self._workspace}/datasets?defaultRetentionPolicy={_RETENTION[retention]}",
            headers=_JSON,
            body=encode(
                {"name": name, "defaultMode": "Push", "tables": tables}
                | ({"relationships": relationships} if relationships else {})
            ),
            operation=f"creation of dataset '{name}'",
        )
        answer = _answer(self._others, request)
        try:
            return str(msgspec.json.decode(answer.body)["id"])
        except (*UNREADABLE, KeyError, TypeError):
            raise OutcomeUnknownError(
                f"{request.operation}: Power BI answered {answer.status} without an id."
            ) from None

    def tables(self, dataset_id: str) -> list[str]:
        """The names of a push dataset's tables; the service never tells their columns."""
        found = self._list(f"{self._at(dataset_id)}/tables", f"tables of dataset {dataset_id}")
        return [str(item.get("name")) for item in found]

    def put_table(self, dataset_id: str, table: Mapping[str, Any]) -> None:
        """Replace a table's definition; its rows stay."""
        name = table["name"]
        request = Request(
            "PUT",
            self._at(dataset_id, name),
            headers=_JSON,
            body=encode(table),
            safe_twice=True,
            operation=f"columns of table '{name}'",
        )
        _answer(self._others, request)

    def post_rows(
        self, dataset_id: str, table: str, rows: int, body: bytes, *, turn: Turn, number: int | None = None
    ) -> None:
        """Append rows: all of the request or none.

        Args:
            dataset_id: of the dataset.
            table: name of the table.
            rows: how many the body holds.
            body: of the request.
            turn: that it waits for.
            number: its sequence number, where such numbers are in use.

        Raises:
            OutcomeUnknownError: they may have been appended all the same.
            IfsBiError: they were not (the classes of `target_powerbi.outcomes.NOTHING_HAPPENED`).
        """
        request = Request(
            "POST",
            f"{self._at(dataset_id, table)}/rows",
            headers=_JSON if number is None else _JSON | {_NUMBER: str(number)},
            body=body,
            operation=f"{rows:,} rows for table '{table}'",
        )
        stored = True  # until it is certain that they are not
        try:
            _taken(request, self._rows(turn)(request))
        except (*NOTHING_HAPPENED, RowRejectedError):
            stored = False
            raise
        finally:
            turn.end(stored=stored)

    def delete_rows(self, dataset_id: str, table: str) -> None:
        """Take all rows out of a table."""
        url = f"{self._at(dataset_id, table)}/rows"
        _answer(self._others, Request("DELETE", url, safe_twice=True, operation=f"emptying of table '{table}'"))

    def count_rows(self, dataset_id: str, table: str) -> int | None:
        """How many rows a table shows; None where Power BI can't or won't say, which depends on tenant and role."""
        try:
            return self._count(dataset_id, quoted_table(table), f"number of rows in table '{table}'")
        except (*NOTHING_HAPPENED, OutcomeUnknownError) as error:
            _LOG.info("%s", error)
            return None

    def count_post(self, dataset_id: str, table: str, name: str) -> int | None:
        """How many rows of one POST, by the name in `target_powerbi.tables.BATCH`, a table shows; None where Power BI won't say.

        Raises:
            IfsBiError: it can't be asked now (the classes of `target_powerbi.outcomes.NOT_NOW`).
        """
        of_post = f'FILTER({quoted_table(table)},{quoted_column(table, BATCH.name)}="{name}")'
        try:
            return self._count(dataset_id, of_post, f"number of rows of POST {name} in table '{table}'")
        except REFUSED as error:
            _LOG.info("%s", error)
            return None

    def _count(self, dataset_id: str, rows: str, operation: str) -> int:
        found = self.query(dataset_id, f'EVALUATE ROW("n", COUNTROWS({rows}))', operation=operation)
        try:
            return int(found[0].get("[n]") or 0)  # no rows count as BLANK
        except (IndexError, TypeError, ValueError):
            raise ContractBrokenError(f"{operation}: the answer of Power BI holds no number.") from None

    def query(self, dataset_id: str, dax: str, *, operation: str) -> list[dict[str, Any]]:
        """The rows that a DAX query comes to, nulls among them.

        Raises:
            IfsBiError: it can't be asked, or has no answer.
        """
        request = Request(
            "POST",
            f"{self._at(dataset_id)}/executeQueries",
            headers=_JSON,
            body=encode({"queries": [{"query": dax}], "serializerSettings": {"includeNulls": True}}),
            safe_twice=True,
            operation=operation,
        )
        answer = self._json(request)
        try:
            rows = answer["results"][0]["tables"][0]["rows"]
            return [dict(row) for row in rows]
        except (KeyError, IndexError, TypeError, ValueError):
            raise ContractBrokenError(f"{operation}: the answer of Power BI holds no rows.") from None

    def sequence_numbers(self, dataset_id: str, table: str) -> frozenset[int] | None:
        """The last sequence number of each app that pushed to a table with such numbers; None where there are none to be had.

        Raises:
            IfsBiError: they can't be asked for now (the classes of `target_powerbi.outcomes.NOT_NOW`).
        """
        request = Request(
            "GET", f"{self._at(dataset_id, table)}/sequenceNumbers", operation=f"sequence numbers of table '{table}'"
        )
        try:
            items = self._json(request)["value"]
            return frozenset(int(item["sequenceNumber"]) for item in items)
        except (*REFUSED, KeyError, TypeError, ValueError) as error:
            _LOG.info("%s can't be told: %s", request.operation, error)
            return None

    def _at(self, dataset_id: str, table: str | None = None) -> str:
        address = f"{self._workspace}/datasets/{quote(dataset_id, safe='')}"
        return address if table is None else f"{address}/tables/{quote(table, safe='')}"

    def _list(self, url: str, operation: str) -> list[dict[str, Any]]:
        items = self._json(Request("GET", url, operation=operation)).get("value")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise _not_power_bi(operation)
        return items

    def _json(self, request: Request) -> dict[str, Any]:
        answer = _answer(self._others, request)
        try:
            body = decode(answer.body)  # sums of decimals with every digit
        except UNREADABLE:
            body = None
        if not isinstance(body, dict):
            raise _not_power_bi(request.operation)
        return body


def connect(
    settings: Settings, surroundings: Surroundings = REAL, observe: Callable[[Attempt], None] = lambda _: None
) -> PowerBI:
    """The workspace of the settings, behind all HTTP policies; nothing is sent yet. ``observe`` hears of every request."""
    tokens = TokenSource(SignIn(settings))
    wire = transport(requests.Session())

    def sender(limiter: Limiter) -> Send:
        return client(
            wire,
            tokens=tokens,
            limiter=limiter,
            rules=RetryRules(limit_seconds=settings.retry_limit_seconds, attempts=_ATTEMPTS),
            observe=observe,
            refused=token_refused,
            logger=_LOG,
            surroundings=surroundings,
        )

    return PowerBI(
        rows=sender,
        others=sender(SlidingWindow(LIMITS.other_calls_per_minute, clock=surroundings.clock, sleep=surroundings.sleep)),
        workspace=f"{settings.api_url}/v1.0/myorg/groups/{settings.workspace_id}",
    )


def _answer(send: Send, request: Request) -> Response:
    response = send(request)
    if not response.ok:
        raise refusal(request, response)
    return response


def _taken(request: Request, response: Response) -> None:
    """Raise the error that a refusal of rows amounts to."""
    if response.status in _REFUSALS_OF_ROWS:
        raise RowRejectedError(str(refusal(request, response)))
    if not response.ok:
        raise refusal(request, response)


def _not_power_bi(operation: str) -> ConfigError:
    return ConfigError(f"{operation}: what answers at api_url is not Power BI. Check api_url.")


def _dataset(item: Mapping[str, Any]) -> Dataset:
    return Dataset(str(item.get("id")), str(item.get("name", "")), push=bool(item.get("addRowsAPIEnabled")))
