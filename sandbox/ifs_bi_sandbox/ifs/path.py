"""A request's path below ``/v1/``: segments, and the keys in their parentheses.

Segments are split before they are decoded, so that ``%2F`` in a key is no separator.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from ifs_bi_sandbox.ifs.errors import OdpError, bad_request
from ifs_bi_sandbox.ifs.filter import Condition
from ifs_bi_sandbox.ifs.grammar import tokens
from ifs_bi_sandbox.ifs.layout import quoted
from ifs_bi_sandbox.ifs.values import key_value

if TYPE_CHECKING:
    from ifs_bi_sandbox.ifs.layout import Layout


class Segment(NamedTuple):
    """``Name`` or ``Name(arguments)``, decoded; without parentheses ``arguments`` is None."""

    name: str
    arguments: str | None = None

    def __str__(self) -> str:
        return self.name if self.arguments is None else f"{self.name}({self.arguments})"


def decoded(text: str) -> str:
    """Percent-decoded text. A plus sign stays one: Olingo decodes URLs, not forms.

    Raises:
        OdpError: 400 when the bytes are no UTF-8.
    """
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise bad_request(f"{text!r} is not percent-encoded UTF-8.") from None


def segments(raw: str) -> tuple[Segment, ...]:
    """The segments of a raw path; a slash at its end counts for nothing.

    Raises:
        OdpError: 404 for a segment that can't be one.
    """
    found = []
    for part in raw.rstrip("/").split("/"):
        match = re.fullmatch(r"([^()]+)(?:\((.*)\))?", decoded(part), re.DOTALL)
        if match is None:
            raise OdpError("ODP_RESOURCE_NOTFOUND")
        found.append(Segment(match[1], match[2]))
    return tuple(found)


def key_condition(layout: Layout, arguments: str, alias: str = "m") -> Condition:
    """The condition behind ``Key1='v',Key2=1``, or behind ``'v'`` for a key of one property.

    Raises:
        OdpError: 400 when the arguments are not exactly the key's properties with literals of their types.
    """
    given = list(tokens(arguments))
    literals = {}
    if len(given) == 1 and len(layout.key) == 1:
        literals[layout.key[0].name] = given[0].value
    else:
        # name = literal , name = literal …
        for name, equals, value in zip(given[0::4], given[1::4], given[2::4], strict=False):
            if equals.type == "=":
                literals[getattr(name.value, "name", "")] = value.value
    names = [fact.name for fact in layout.key]
    separators = {token.type for token in given[3::4]} - {","}
    if sorted(literals) != sorted(names) or len(given) not in {1, 4 * len(names) - 1} or separators:
        raise bad_request(f"The key of {layout.name} is ({', '.join(names)}); ({arguments}) is not.")
    return Condition(
        " AND ".join(f"{alias}.{quoted(name)} = ?" for name in names),
        tuple(key_value(layout, fact, literals[fact.name]) for fact in layout.key),
    )
