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
from ifs_bi_core.errors import ConfigError, OutcomeUnknownError, RowRejectedError
from ifs_bi_core.http.client import REAL, client
from ifs_bi_core.http.limits import SlidingWindow
from ifs_bi_core.http.message import Request
from ifs_bi_core.http.retry import RetryRules
from ifs_bi_core.http.tokens import TokenSource
from ifs_bi_core.http.transport import transport
from ifs_bi_core.singer.lines import encode

from target_powerbi.limits import LIMITS, RowBudget
from target_powerbi.outcomes import NOTHING_HAPPENED, refusal, token_refused
from target_powerbi.sign_in import SignIn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.http.message import Response, Send
    from ifs_bi_core.http.policies import Attempt

    from target_powerbi.settings import Settings

_ATTEMPTS = 100  # the time limit ends the tries, not their number
_REFUSALS_OF_ROWS = frozenset({400, 413})
"""Statuses that are about the rows of a POST: fewer of them, or others, may be accepted. Nothing of the request was stored."""
_JSON = {"Content-Type": "application/json; charset=utf-8"}


@dataclass(frozen=True)
class Dataset:
    """A dataset of the workspace; `push`: rows can be added to it by this API."""

    id: str
    name: str
    push: bool


class PowerBI:
    """One workspace of Power BI, within its limits.

    Args:
        rows: sends POST rows.
        others: sends everything else.
        budget: rows an hour.
        workspace: address of the workspace: ``https://api.powerbi.com/v1.0/myorg/groups/<id>``.
    """

    def __init__(self, *, rows: Send, others: Send, budget: RowBudget, workspace: str) -> None:
        self._rows = rows
        self._others = others
        self._budget = budget
        self._workspace = workspace

    def datasets(self) -> list[Dataset]:
        """All datasets of the workspace; the service gives them in one piece."""
        return [_dataset(item) for item in self._list(f"{self._workspace}/datasets", "list of datasets")]

    def dataset(self, dataset_id: str) -> Dataset:
        """One dataset."""
        return _dataset(self._json(Request("GET", self._at(dataset_id), operation=f"dataset {dataset_id}")))

    def create(self, name: str, tables: list[dict[str, Any]]) -> str:
        """Make a push dataset without a retention policy; its id. Done twice, it makes two of one name.

        Raises:
            OutcomeUnknownError: it may have been made all the same.
        """
        request = Request(
            "POST",
            f"{self._workspace}/datasets?defaultRetentionPolicy=None",
            headers=_JSON,
            body=encode({"name": name, "defaultMode": "Push", "tables": tables}),
            operation=f"creation of dataset '{name}'",
        )
        answer = _answer(self._others, request)
        try:
            return str(msgspec.json.decode(answer.body)["id"])
        except (msgspec.DecodeError, KeyError, TypeError):
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

    def post_rows(self, dataset_id: str, table: str, rows: int, body: bytes) -> None:
        """Append rows: all of the request or none.

        Raises:
            OutcomeUnknownError: they may have been appended all the same.
            IfsBiError: they were not (the classes of `target_powerbi.outcomes.NOTHING_HAPPENED`).
        """
        self._budget.acquire(rows)
        request = Request(
            "POST",
            f"{self._at(dataset_id, table)}/rows",
            headers=_JSON,
            body=body,
            operation=f"{rows:,} rows for table '{table}'",
        )
        response = self._rows(request)
        if response.status in _REFUSALS_OF_ROWS:
            raise RowRejectedError(str(refusal(request, response)))
        if not response.ok:
            raise refusal(request, response)

    def delete_rows(self, dataset_id: str, table: str) -> None:
        """Take all rows out of a table."""
        url = f"{self._at(dataset_id, table)}/rows"
        _answer(self._others, Request("DELETE", url, safe_twice=True, operation=f"emptying of table '{table}'"))

    def count_rows(self, dataset_id: str, table: str) -> int | None:
        """How many rows a table shows; None where Power BI can't or won't say, which depends on tenant and role."""
        quoted = table.replace("'", "''")
        request = Request(
            "POST",
            f"{self._at(dataset_id)}/executeQueries",
            headers=_JSON,
            body=encode(
                {
                    "queries": [{"query": f"EVALUATE ROW(\"n\", COUNTROWS('{quoted}'))"}],
                    "serializerSettings": {"includeNulls": True},
                }
            ),
            safe_twice=True,
            operation=f"number of rows in table '{table}'",
        )
        try:
            (row,) = self._json(request)["results"][0]["tables"][0]["rows"]
            return int(row.get("[n]") or 0)  # no rows count as BLANK
        except (
            *NOTHING_HAPPENED,
            OutcomeUnknownError,
            KeyError,
            IndexError,
            TypeError,
            ValueError,
            AttributeError,
        ) as error:
            logging.getLogger(__name__).info("%s can't be told: %s", request.operation, error)
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
            body = msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = None
        if not isinstance(body, dict):
            raise _not_power_bi(request.operation)
        return body


def connect(
    settings: Settings, surroundings: Surroundings = REAL, observe: Callable[[Attempt], None] = lambda _: None
) -> PowerBI:
    """The workspace of the settings, behind all HTTP policies; nothing is sent yet. ``observe`` hears of every request."""
    log = logging.getLogger(__name__)
    tokens = TokenSource(SignIn(settings))
    wire = transport(requests.Session())

    def sender(per_minute: int) -> Send:
        return client(
            wire,
            tokens=tokens,
            limiter=SlidingWindow(per_minute, clock=surroundings.clock, sleep=surroundings.sleep),
            rules=RetryRules(limit_seconds=settings.retry_limit_seconds, attempts=_ATTEMPTS),
            observe=observe,
            refused=token_refused,
            logger=log,
            surroundings=surroundings,
        )

    return PowerBI(
        rows=sender(LIMITS.posts_per_minute),
        others=sender(LIMITS.other_calls_per_minute),
        budget=RowBudget(clock=surroundings.clock, sleep=surroundings.sleep),
        workspace=f"{settings.api_url}/v1.0/myorg/groups/{settings.workspace_id}",
    )


def _answer(send: Send, request: Request) -> Response:
    response = send(request)
    if not response.ok:
        raise refusal(request, response)
    return response


def _not_power_bi(operation: str) -> ConfigError:
    return ConfigError(f"{operation}: what answers at api_url is not Power BI. Check api_url.")


def _dataset(item: Mapping[str, Any]) -> Dataset:
    return Dataset(str(item.get("id")), str(item.get("name", "")), push=bool(item.get("addRowsAPIEnabled")))
