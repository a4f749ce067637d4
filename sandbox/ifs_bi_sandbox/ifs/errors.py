"""The errors of IFS's OData provider: one table from code to status and message, and the body they travel in.

Codes and texts marked "documented" stand in IFS's documentation or were published by users of the service. The others are
unknown to the public; the stand-in answers with a plausible code and the status that HTTP and OData prescribe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

ERRORS: Final[Mapping[str, tuple[int, str]]] = {
    "ODP_BAD_REQUEST": (400, "The request is malformed."),  # plausible: the code behind a malformed URL is not public
    "ODP_DESERIALIZATION_ERROR": (400, "Error while de-serializing contents."),  # documented
    "DATABASE_ERROR": (400, "Database error occurred."),  # documented code, carries an ORA-… text
    "SE_UNAUTHORIZED": (403, "Insufficient privileges."),  # documented
    "ODP_RESOURCE_NOTFOUND": (404, "Resource not found."),  # documented
    "ODP_METHOD_NOT_ALLOWED": (405, "The method is not allowed on this resource."),  # documented status, plausible code
    "ODP_NOT_ACCEPTABLE": (406, "The requested representation is not available."),  # plausible
    "ODP_PRECONDITION_FAILED": (412, "The object has been modified by another user."),  # plausible
    "ODP_UNSUPPORTED_MEDIA_TYPE": (415, "The media type is not supported."),  # plausible
    "ODP_MISSING_PRECONDITION": (428, "The request needs an If-Match header."),  # documented code
    "ODP_TOO_MANY_REQUESTS": (429, "Too many requests."),  # plausible
    "MI_MODIFIED_ERROR": (500, "The metadata has been modified. Repeat the request."),  # documented code
    "ODP_NOT_IMPLEMENTED": (501, "Not implemented."),  # documented code
    "ODP_OPERATION_TIMEOUT": (504, "Operation did not complete in the expected time (300 seconds)."),  # documented
}


class OdpError(Exception):
    """A request that is answered with an error.

    Attributes:
        code: One of ``ERRORS``.
        status: The HTTP status that belongs to the code.
        message: What the body says; the table's text unless another was given.
    """

    def __init__(self, code: str, message: str | None = None) -> None:
        self.code = code
        self.status, text = ERRORS[code]
        self.message = message or text
        super().__init__(self.message)

    def body(self) -> bytes:
        """The JSON body: ``{"error": {"code", "message", "details": []}}``."""
        return orjson.dumps({"error": {"code": self.code, "message": self.message, "details": []}})


def bad_request(message: str) -> OdpError:
    """A 400 with the reason."""
    return OdpError("ODP_BAD_REQUEST", message)


def not_implemented(what: str) -> OdpError:
    """A 501 that names the part of OData that IFS does not have."""
    return OdpError("ODP_NOT_IMPLEMENTED", f"{what} is not implemented.")
