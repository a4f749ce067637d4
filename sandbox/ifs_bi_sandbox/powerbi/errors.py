"""What Power BI answers when it refuses: one function for each case that somebody saw and wrote down.

The texts come from public bug reports and client libraries; where only the status or nothing is known, the answer has the
service's general shape ``{"error": {"code", "message"}}`` and words of our own.
"""

from __future__ import annotations

from typing import Any

INVALID_TOKEN, TOKEN_EXPIRED, NO_ACCESS = "InvalidToken", "TokenExpired", "GroupNotAccessible"


class PowerBIError(Exception):
    """An answer that is no success: ``status``, JSON ``body`` (None: empty) and extra ``headers``."""

    def __init__(self, status: int, body: dict[str, Any] | None, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = headers or {}


def not_signed_in(info: str | None) -> PowerBIError:
    """403 without a body; ``info`` tells why when a token came at all."""
    return PowerBIError(403, None, {"x-powerbi-error-info": info} if info else None)


def no_access_to_workspace() -> PowerBIError:
    """401: the token is good, the workspace isn't the caller's (or isn't at all)."""
    return PowerBIError(401, None, {"x-powerbi-error-info": NO_ACCESS})


def dataset_not_found(dataset: str) -> PowerBIError:
    """404: there is no such dataset, or none that the caller may see."""
    return _error(404, "PowerBIEntityNotFound", f"Dataset {dataset} is not found.")


def not_a_push_dataset(dataset: str) -> PowerBIError:
    """404 for tables and rows of a dataset that was published from a file."""
    return _error(404, "ItemNotFound", f"Dataset {dataset} is not Push API dataset.")


def table_not_found(table: str, dataset: str) -> PowerBIError:
    """404; the ``<pi>`` marks are the service's own."""
    where = f"in dataset 'sobe_wowvirtualserver|{dataset}'"
    return _error(404, "ItemNotFound", f"Table '<pi>{table}</pi>' not found {where}")


def bad_request(message: str, target: str | None = None) -> PowerBIError:
    """400 with the reason in ``details``, as the service's OData layer words it."""
    detail = {"message": message} | ({"target": target} if target else {})
    return PowerBIError(400, {"error": {"code": "BadRequest", "message": "Bad Request", "details": [detail]}})


def too_large(message: str) -> PowerBIError:
    """413; which status the service chooses is not published."""
    return _error(413, "RequestEntityTooLarge", message)


def throttled(message: str, retry_after: int) -> PowerBIError:
    """429 with ``Retry-After`` in seconds."""
    error = _error(429, "TooManyRequests", message)
    error.headers["Retry-After"] = str(retry_after)
    return error


def creation_retired() -> PowerBIError:
    """400: what creating a push dataset answered in the weeks in which it was switched off."""
    advice = "We recommend exploring Real-Time Intelligence in Microsoft Fabric."
    values = {
        "LearnMoreLink": "https://learn.microsoft.com/power-bi/connect-data/service-real-time-streaming",
        "FeatureDeprecatedMessage": f"Creation of streaming dataset is deprecated. {advice}",
    }
    return _detailed("FeatureDeprecatedError", values, exceptionCulprit=1)


def query_failed(message: str) -> PowerBIError:
    """400: a DAX query that doesn't run."""
    return _detailed("DatasetExecuteQueriesError", {"DetailsMessage": message}, value_type=1)


def _error(status: int, code: str, message: str) -> PowerBIError:
    return PowerBIError(status, {"error": {"code": code, "message": message}})


def _detailed(code: str, values: dict[str, str], value_type: int = 0, **more: Any) -> PowerBIError:
    """400 in the newer of the two shapes, with the details under ``pbi.error``."""
    details = [{"code": name, "detail": {"type": value_type, "value": value}} for name, value in values.items()]
    return PowerBIError(400, {"error": {"code": code, "pbi.error": {"code": code, "details": details, **more}}})
