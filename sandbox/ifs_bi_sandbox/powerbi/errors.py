"""What Power BI answers when it refuses: one function for each case that somebody saw and wrote down.

The texts come from public bug reports and client libraries; where only the status or nothing is known, the answer has the
service's general shape ``{"error": {"code", "message"}}`` and words of our own.
"""

from __future__ import annotations

from typing import Any

INVALID_TOKEN, TOKEN_EXPIRED, NO_ACCESS = "InvalidToken", "TokenExpired", "GroupNotAccessible"
QUERY_ERROR = "3241803789"  # the engine's number for a query that it can't resolve
PUSH_STREAMING_COLUMNS = "This dataset or endpoint does not support column properties other than name and dataType."


class PowerBIError(Exception):
    """An answer that is no success: ``status``, JSON ``body`` (None: empty) and extra ``headers``."""

    def __init__(self, status: int, body: dict[str, Any] | None, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = headers or {}


def not_signed_in(info: str | None, *, told_in_body: bool = False) -> PowerBIError:
    """403 without a body; ``info`` tells why when a token came at all. Older: with a body for it."""
    if info and told_in_body:
        return _error(403, info, "Access token has expired, resubmit with a new access token")
    return PowerBIError(403, None, {"x-powerbi-error-info": info} if info else None)


def no_access_to_workspace() -> PowerBIError:
    """401: the token is good, the workspace isn't the caller's (or isn't at all)."""
    return PowerBIError(401, None, {"x-powerbi-error-info": NO_ACCESS})


def role_too_low() -> PowerBIError:
    """403: the caller may look at the workspace and change nothing in it."""
    return _detailed("PowerBINotAuthorizedException", {}, status=403, exceptionCulprit=1)


def dataset_not_found(dataset: str) -> PowerBIError:
    """404: there is no such dataset, or none that the caller may see."""
    return _error(404, "PowerBIEntityNotFound", f"Dataset {dataset} is not found.")


def not_a_push_dataset(dataset: str) -> PowerBIError:
    """404 for tables and rows of a dataset that was published from a file."""
    return _error(404, "ItemNotFound", f"Dataset {dataset} is not Push API dataset.")


def table_not_found(table: str, dataset: str, code: str = "ItemNotFound") -> PowerBIError:
    """404; the ``<pi>`` marks are the service's own."""
    where = f"in dataset 'sobe_wowvirtualserver|{dataset}'"
    return _error(404, code, f"Table '<pi>{table}</pi>' not found {where}")


def no_sequence_numbers() -> PowerBIError:
    """404: the operation isn't there (any more), so nothing of the service's words is known."""
    return PowerBIError(404, None)


def bad_request(message: str, target: str | None = None) -> PowerBIError:
    """400 with the reason in ``details``, as the service's OData layer words it."""
    return refused(400, message, target)


def refused(status: int, message: str, target: str | None = None) -> PowerBIError:
    """A bad request under the status that a switch chose."""
    detail = {"message": message} | ({"target": target} if target else {})
    return PowerBIError(status, {"error": {"code": "BadRequest", "message": "Bad Request", "details": [detail]}})


def invalid_request(message: str) -> PowerBIError:
    """400 for what the service understands and doesn't offer for this kind of dataset."""
    return _error(400, "InvalidRequest", message)


def too_large(message: str, status: int = 413) -> PowerBIError:
    """413, or another: which status the service chooses is not published."""
    return _error(status, "RequestEntityTooLarge", message)


def throttled(message: str, retry_after: int | None, status: int = 429) -> PowerBIError:
    """429 with ``Retry-After`` in seconds, if any."""
    error = _error(status, "TooManyRequests", message)
    if retry_after is not None:
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
    values = {"DetailsMessage": message, "AnalysisServicesErrorCode": QUERY_ERROR}
    return _detailed("DatasetExecuteQueriesError", values, value_type=1)


def queries_switched_off() -> PowerBIError:
    """401: the tenant doesn't allow the API of queries; nobody wrote the words down."""
    return _error(401, "PowerBINotAuthorizedException", "Dataset Execute Queries REST API is disabled for the tenant.")


def _error(status: int, code: str, message: str) -> PowerBIError:
    return PowerBIError(status, {"error": {"code": code, "message": message}})


def _detailed(code: str, values: dict[str, str], value_type: int = 0, status: int = 400, **more: Any) -> PowerBIError:
    """An answer in the newer of the two shapes, with the details under ``pbi.error``."""
    details = [{"code": name, "detail": {"type": value_type, "value": value}} for name, value in values.items()]
    return PowerBIError(status, {"error": {"code": code, "pbi.error": {"code": code, "details": details, **more}}})
