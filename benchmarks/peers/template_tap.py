"""A tap as the template of Meltano's SDK makes it: what a developer has after filling in the address, the schema and the paging.

`cookiecutter https://github.com/meltano/sdk --directory=cookiecutter/tap-template`, REST, without authentication. It is run by
the interpreter of an environment of its own, and imports nothing of ours.
"""

from __future__ import annotations

import decimal
import typing as t

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.helpers.jsonpath import extract_jsonpath
from singer_sdk.pagination import BaseOffsetPaginator

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import requests

PAGE_SIZE = 5_000
DECIMALS = [th.Property(f"Amount{n}", th.NumberType(multiple_of=0.01)) for n in range(8)]
MOMENTS = ("CreatedAt", "ChangedAt", "PrintedAt")


class Paginator(BaseOffsetPaginator):
    """By ``$skip``, until a page is not full."""

    def has_more(self, response: requests.Response) -> bool:
        """Whether there is another page."""
        return len(response.json()["value"]) == PAGE_SIZE


class OrderLinesStream(RESTStream[int]):
    """The one stream."""

    name = "order_lines"
    path = "/main/ifsapplications/projection/v1/Bench.svc/OrderLineSet"
    primary_keys = ("OrderNo",)
    records_jsonpath = "$.value[*]"
    schema: t.ClassVar[dict[str, t.Any]] = th.PropertiesList(
        th.Property("OrderNo", th.StringType, required=True),
        th.Property("LineNo", th.IntegerType),
        th.Property("Objstate", th.StringType),
        *DECIMALS,
        *(th.Property(f"Text{n}", th.StringType) for n in range(6)),
        *(th.Property(name, th.DateType) for name in ("OrderDate", "DueDate", "PaidDate")),
        *(th.Property(name, th.DateTimeType) for name in MOMENTS),
        *(th.Property(name, th.BooleanType) for name in ("Closed", "Blocked")),
    ).to_dict()

    @property
    def url_base(self) -> str:
        """The server."""
        return str(self.config["api_url"])

    def get_new_paginator(self) -> Paginator:
        """How to go from page to page."""
        return Paginator(0, PAGE_SIZE)

    def get_url_params(
        self, context: Mapping[str, t.Any] | None, next_page_token: int | None
    ) -> dict[str, t.Any] | str | None:
        """The question."""
        del context
        return {"$top": PAGE_SIZE, "$skip": next_page_token or 0, "$orderby": "OrderNo"}

    def parse_response(self, response: requests.Response) -> Iterable[dict[str, t.Any]]:
        """The rows of an answer."""
        yield from extract_jsonpath(self.records_jsonpath, input=response.json(parse_float=decimal.Decimal))

    def post_process(self, row: dict[str, t.Any], context: Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
        """IFS Cloud writes decimals as text, the schema says they are numbers."""
        del context
        row["LineNo"] = int(row["LineNo"])
        for name in DECIMALS:
            row[name.name] = decimal.Decimal(row[name.name])
        if self.config["naive_timestamps"]:
            for moment in MOMENTS:
                row[moment] = row[moment].removesuffix("Z")
        return row


class TemplateTap(Tap):
    """The tap."""

    name = "template-tap"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = th.PropertiesList(
        th.Property("api_url", th.StringType, required=True),
        th.Property("naive_timestamps", th.BooleanType, default=False),
    ).to_dict()

    def discover_streams(self) -> list[OrderLinesStream]:
        """The streams."""
        return [OrderLinesStream(self)]


if __name__ == "__main__":
    TemplateTap.cli()
