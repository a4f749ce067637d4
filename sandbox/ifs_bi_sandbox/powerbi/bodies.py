"""Bodies of requests: JSON with exact numbers, and the three shapes in which rows come."""

from __future__ import annotations

import json
from decimal import Decimal

from ifs_bi_sandbox.powerbi.errors import bad_request, refused
from ifs_bi_sandbox.powerbi.limits import LIMITS
from ifs_bi_sandbox.powerbi.switches import PowerBISwitches

_DEFAULTS = PowerBISwitches()


def read_rows(body: bytes, rules: PowerBISwitches = _DEFAULTS) -> list[object]:
    """The rows of a POST: ``{"rows": […]}``, ``{"Rows": […]}`` or a bare array; numbers keep every digit."""
    document = read_json(body, nan=rules.powerbi_nan == "blank")
    if isinstance(document, dict):
        document = document.get("rows", document.get("Rows"))
    if not isinstance(document, list):
        raise bad_request("The body has no array of rows.", "rows")
    if not document and rules.powerbi_empty_rows == "refuse":
        raise bad_request("The array of rows is empty.", "rows")
    if len(document) > LIMITS.rows_per_post:
        told = f"{len(document)} rows in one request: at most {LIMITS.rows_per_post} are allowed."
        raise refused(rules.powerbi_too_many_rows_status, told, "rows")
    return document


def read_json(body: bytes, *, nan: bool = False) -> object:
    """JSON with exact decimals; half surrogate pairs are refused, and so are NaN and infinities unless ``nan`` (then null)."""
    try:
        document: object = json.loads(body, parse_float=Decimal, parse_constant=_blank if nan else _not_json)
        body.decode()
    except (ValueError, RecursionError) as reason:
        raise bad_request(f"The body is not JSON: {reason}.") from None
    return document


def _not_json(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _blank(_: str) -> None:
    return None
