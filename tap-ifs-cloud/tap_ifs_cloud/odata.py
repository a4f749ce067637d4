"""URLs, filter expressions, ETags and links of IFS Cloud's OData v4: text in, text out.

URL shapes, literals and the ETag format follow IFS's public documentation ("Using IFS RESTful APIs", docs.ifs.com) and what
public code shows of real tenants.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.redaction import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_ifs_cloud.metadata import Property

ETAG_MEMBER = "@odata.etag"
"""Where a row has its ETag."""

WHOLE_NUMBERS = frozenset({"Edm.Int64", "Edm.Int32", "Edm.Int16", "Edm.Byte", "Edm.SByte"})
NUMBERS = frozenset({"Edm.Decimal", "Edm.Double", "Edm.Single"}) | WHOLE_NUMBERS
"""Types whose literals are plain numbers."""

_UNQUOTED = {
    "Edm.Date": re.compile(r"-?\d{4,}-\d\d-\d\d", re.ASCII),
    "Edm.TimeOfDay": re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?", re.ASCII),
    "Edm.Guid": re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
}
"""Literals that stand without quotes: only what has their form may, or it would be a condition of its own."""

_LARGEST_EXPONENT = 400  # Oracle's numbers end at 10^126, doubles at 10^308
_SHOWN = 80  # characters of a value that an error repeats
_ROW_VERSION = re.compile(r':(\d{14})"?$')


def service_url(base_url: str, *, endpoint: str, service: str, projection: str) -> str:
    """``https://host/main/ifsapplications/projection/v1/PurchaseOrderHandling.svc``."""
    return f"{base_url}/{endpoint}/ifsapplications/{service}/v1/{quote(projection, safe='')}.svc"


def collection_url(
    service: str, entity_set: str, options: Mapping[str, str], *, parent: tuple[Property, Any] | None = None
) -> str:
    """An entity set with its query options: ``$`` stays as it is, values are percent-encoded, spaces as ``%20``.

    Args:
        service: address of the projection or entity service.
        entity_set: the set, or ``Set/Collection`` for what lies behind one row of a set.
        options: the query.
        parent: the key of that row: ``CompanyFinanceSet(Company='10')/CodeBArray``.
    """
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items() if value)
    path = quote(entity_set)
    if parent:
        prop, value = parent
        key = quote(literal(value, prop), safe="'")
        path = path.replace("/", f"({quote(prop.name)}={key})/", 1)
    return f"{service}/{path}{'?' + query if query else ''}"


def literal(value: Any, prop: Property) -> str:
    """A value as an OData literal of its property's type.

    Strings double their quotes, dates and timestamps stand unquoted, enums are qualified:
    ``IfsApp.PurchaseOrderHandling.PurchaseOrderState'Released'``.

    Raises:
        ContractBrokenError: it has no literal of that type.
    """
    try:
        return _literal(value, prop)
    except (ValueError, TypeError, ArithmeticError):
        raise ContractBrokenError(
            f"IFS Cloud can't be asked for {prop.name} {shown(repr(value), _SHOWN)}, which is no {prop.type}. Look at where it "
            f"comes from: the row, the state or the setting; name other properties with `key` or `modified`, or mend the value."
        ) from None


def _literal(value: Any, prop: Property) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if prop.is_enum:
        return f"{prop.type}'{_doubled(str(value))}'"
    if isinstance(value, int | Decimal) or prop.type in NUMBERS:  # under IEEE754Compatible a number is a text
        return format(limited(Decimal(value)), "f")
    if prop.type == "Edm.DateTimeOffset":
        return instant(str(value))
    if prop.type in _UNQUOTED:
        return _whole(_UNQUOTED[prop.type], str(value))
    return f"'{_doubled(str(value))}'"


def limited(number: Decimal) -> Decimal:
    """The same number, which can be written digit for digit: a few characters can stand for a gigabyte of zeros.

    Raises:
        ValueError: it is not finite, or is beyond what databases hold.
    """
    if not number.is_finite():
        raise ValueError("no finite number")
    if abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise ValueError("a number beyond what databases hold")
    return number


def instant(text: str) -> str:
    """A timestamp literal: UTC, without a fraction where it is zero, since IFS keeps whole seconds."""
    moment = parse_instant(text)
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{_to_seconds(moment)}{fraction}Z"


def parse_instant(text: str) -> datetime:
    """An ISO 8601 timestamp as an aware `datetime` in UTC; without an offset it is taken as UTC.

    Raises:
        ValueError: it is none, has digits beyond microseconds, or is not within the years 1 to 9999 of UTC.
    """
    fraction = re.search(r"\.(\d+)", text)
    if fraction and fraction.group(1)[6:].strip("0"):
        raise ValueError(f"{text!r} is finer than a microsecond")
    moment = datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is beyond the calendar") from None


def fixed_width(text: str) -> str:
    """A timestamp as ``YYYY-MM-DDTHH:MM:SS.ffffffZ``: texts of this form compare like the instants they name."""
    return fixed(parse_instant(text))


def fixed(moment: datetime) -> str:
    """The same for a moment in UTC."""
    return f"{_to_seconds(moment)}.{moment.microsecond:06d}Z"


def _to_seconds(moment: datetime) -> str:
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}"  # %Y has no leading zeros for years before 1000


def any_equal(values: Sequence[Any], prop: Property) -> str:
    """``Company eq '10' or Company eq '20'``."""
    return " or ".join(f"{prop.name} eq {literal(value, prop)}" for value in values)


def after(position: Mapping[str, Any], order: Sequence[Property]) -> str:
    """The filter for everything behind a row in a lexicographic order.

    ``Modified gt t or (Modified eq t and (OrderNo gt 'A' or (OrderNo eq 'A' and LineNo gt '1')))``

    Args:
        position: the row's values of the ordering properties, none of them null.
        order: what the rows are ordered by, ascending.
    """
    first, *rest = order
    here = literal(position[first.name], first)
    if not rest:
        return f"{first.name} gt {here}"
    return f"{first.name} gt {here} or ({first.name} eq {here} and ({after(position, rest)}))"


def all_of(*filters: str | None) -> str:
    """The filters joined by ``and``, each in parentheses where there are several; empty ones are left out."""
    given = [text for text in filters if text]
    return given[0] if len(given) == 1 else " and ".join(f"({text})" for text in given)


def row_version(etag: str | None) -> str | None:
    """The time of the row's last change that IFS Cloud's ETag holds, fixed width; None where it holds none.

    ``W/"<b64>"`` decodes to ``W/"<ROWID>:<YYYYMMDDHHMMSS>"``. Old logical units keep a number there instead of a time.
    """
    if not etag:
        return None
    encoded = etag.removeprefix("W/").strip('"')
    try:
        decoded = base64.b64decode(encoded, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    match = _ROW_VERSION.search(decoded)
    if not match:
        return None
    try:
        return fixed(datetime.strptime(match.group(1), "%Y%m%d%H%M%S").replace(tzinfo=UTC))
    except ValueError:
        return None


def follow(link: str, asked: str) -> str | None:
    """The absolute address of a ``@odata.nextLink``; None where it is none, or leads to another host, to which no token may go.

    Args:
        link: absolute, or relative: to the host (``/main/…``), to the service (``Set(key)/RowsArray?…``), or options alone
            (``?$skiptoken=…``).
        asked: the address of the request that it came with.
    """
    service = re.match(r"[^?#]*?\.svc/", asked)
    base = service.group() if service and not link.startswith("?") else asked
    try:
        target = urljoin(base, link)
        there, here = urlsplit(target), urlsplit(asked)
    except ValueError:  # it is no address
        return None
    return target if (there.scheme, there.netloc) == (here.scheme, here.netloc) else None


def _whole(form: re.Pattern[str], text: str) -> str:
    if not form.fullmatch(text):
        raise ValueError("of another form")
    return text


def _doubled(text: str) -> str:
    return text.replace("'", "''")
