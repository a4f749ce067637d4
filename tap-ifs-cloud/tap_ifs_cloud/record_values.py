"""The values of one property in all rows of a page, made those of records at once where they are of the ordinary form.

Each function does what its counterpart for one value does (`tap_ifs_cloud.rows`, `tap_ifs_cloud.odata`,
`tap_ifs_cloud.versions`), by a few operations on bytes instead of many on values; None says that some value is of another form,
and that the counterpart has to be asked value by value.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPLIT = msgspec.json.Decoder(list[Raw]).decode
_INTEGERS = msgspec.json.Decoder(list[int]).decode

_DIGITS = (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18)
"""Where the digits of a moment stand in ``YYYY-MM-DDTHH:MM:SS``."""

_MARKS = {4: b"-", 7: b"-", 10: b"T", 13: b":", 16: b":"}
_TO_SECONDS = b"0000-00-00T00:00:00"
_FIXED = _TO_SECONDS + b".000000Z"
_SECONDS_Z = len(_TO_SECONDS) + 1
_TIME = len("YYYYMMDDHHMMSS")
_BEGIN, _END = 'W/"', '"'
_GROUP, _PADDING = 4, 2  # of Base64: characters that are decoded together, and how many of them may be padding


def numbers(values: Sequence[Raw], *, whole: bool) -> list[Raw] | None:
    """Numbers as JSON numbers, digit for digit, from JSON that holds them as texts or as numbers; nulls stay.

    What Python would write otherwise than it came (exponents, negative zeros, many zeros behind the point) is of another form.

    Args:
        values: the JSON of each.
        whole: whether they have to be integers.
    """
    try:
        joined = b",".join(values)
    except TypeError:  # a row has no such member
        return None
    left = joined.translate(None, b'0123456789.,-"')
    if left and (left != b"null" * joined.count(b"null") or b'"null"' in joined):
        return None
    return _numbers(joined.translate(None, b'"'), len(values), whole=whole)


def numbers_of_texts(values: Sequence[str], *, whole: bool) -> list[Raw] | None:
    """The same of texts."""
    try:
        joined = ",".join(values).encode()
    except (TypeError, UnicodeEncodeError):  # a value is no text
        return None
    return None if joined.translate(None, b"0123456789.,-") else _numbers(joined, len(values), whole=whole)


def _numbers(joined: bytes, count: int, *, whole: bool) -> list[Raw] | None:
    if b"." in joined if whole else b"0.000000" in joined:
        return None
    text = b"[" + joined + b"]"
    if b"-0" in joined and (whole or b"-0," in text or b"-0]" in text):
        return None
    try:
        split = _SPLIT(text)
    except msgspec.DecodeError:
        return None
    return split if len(split) == count else None


def fixed_moments(texts: Sequence[str]) -> list[str] | None:
    """`tap_ifs_cloud.odata.fixed_width` of timestamps in whole seconds of UTC."""
    try:
        joined = "".join(texts).encode()
    except (TypeError, UnicodeEncodeError):
        return None
    count = len(texts)
    if set(map(len, texts)) != {_SECONDS_Z} or len(joined) != count * _SECONDS_Z:
        return None
    marks = {**_MARKS, _SECONDS_Z - 1: b"Z"}
    if any(joined[place::_SECONDS_Z] != mark * count for place, mark in marks.items()):
        return None
    return _moments(b"".join(joined[place::_SECONDS_Z] for place in _DIGITS), count)


@dataclass(frozen=True)
class RowVersions:
    """What the ETags of some rows say.

    Attributes:
        moments: of each, `tap_ifs_cloud.odata.row_version`.
        digits: of the moments, the first one of each, then the second of each, and so on.
    """

    moments: list[str]
    digits: bytes

    @property
    def seconds(self) -> list[int]:
        """Of each, `tap_ifs_cloud.versions.version_of`."""
        count = len(self.moments)
        listed = bytearray(b"," * (count * (_TIME + 1)))
        for place in range(_TIME):
            listed[place :: _TIME + 1] = self.digits[place * count : (place + 1) * count]
        return _INTEGERS(b"[" + listed[:-1] + b"]")

    @classmethod
    def of(cls, etags: Sequence[str]) -> RowVersions | None:
        """Of ETags that are all as long as the first, and hold a time."""
        length, count = len(etags[0]) if etags and isinstance(etags[0], str) else 0, len(etags)
        try:
            joined = "".join(etags)
            if set(map(len, etags)) != {length} or not joined.startswith(_BEGIN) or not joined.isascii():
                return None
            # Padding would end the text: in its place stand characters that are decoded to bytes which nobody looks at.
            padding = length - 1 - len(etags[0][:-1].rstrip("="))
            end, filler = "=" * padding + _END, "A" * padding
            whole = joined[len(_BEGIN) :].replace(end + _BEGIN, filler).removesuffix(end) + filler
            width = length - len(_BEGIN) - len(_END)
            if padding > _PADDING or width % _GROUP or len(whole) != count * width:
                return None
            decoded = binascii.a2b_base64(whole, strict_mode=True)
        except (TypeError, ValueError):  # one is no text, or no Base64
            return None
        return cls._of_decoded(decoded, count, padding)

    @classmethod
    def _of_decoded(cls, decoded: bytes, count: int, padding: int) -> RowVersions | None:
        width = len(decoded) // count
        length = width - padding
        begin = length - _TIME - 2
        if begin < 0 or len(decoded) != count * width or not decoded.isascii():
            return None
        if decoded[begin::width] != b":" * count or decoded[length - 1 :: width] != b'"' * count:
            return None
        digits = b"".join(decoded[begin + 1 + place :: width] for place in range(_TIME))
        moments = _moments(digits, count)
        return None if moments is None else cls(moments, digits)


def _moments(digits: bytes, count: int) -> list[str] | None:
    """Moments of fixed width.

    Args:
        digits: the first digit of each, then the second of each, and so on.
        count: how many moments.
    """
    if not digits.isdigit():
        return None
    width = len(_FIXED)
    written = bytearray(_FIXED * count)
    for number, place in enumerate(_DIGITS):
        written[place::width] = digits[number * count : (number + 1) * count]
    text = written.decode()
    moments = [text[begin : begin + width] for begin in range(0, len(text), width)]
    try:
        msgspec.convert(moments, list[datetime])  # days that the calendar has
    except msgspec.ValidationError:
        return None
    return moments
