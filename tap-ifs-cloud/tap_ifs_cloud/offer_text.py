"""Offers as text for people, and as YAML to paste into ``entities``: pure."""

from __future__ import annotations

import re
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from tap_ifs_cloud.offer import entity_item, stream_names, type_name
from tap_ifs_cloud.projections import one_line
from tap_ifs_cloud.schema import stream_properties

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_ifs_cloud.offer import Offer

_WIDTH = 110
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNBROKEN = "\u00a0"
_COLUMN = 13  # where values begin
_NOT_A_TEXT = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})  # in YAML 1.1


def offers_text(offers: Sequence[Offer], *, in_full: bool) -> str:
    """A paragraph for each set; of lists of values only the names, unless ``in_full``."""
    shown = [offer for offer in offers if in_full or not offer.is_list_of_values]
    others = [offer.entity_set for offer in offers if offer not in shown]
    paragraphs = [offer_text(offer) for offer in shown]
    if others:
        paragraphs.append(_listed("lists of values", others, 0) + "\nName one of them to see its fields.")
    return "\n\n".join(paragraphs) or "There are no entity sets."


def offer_text(offer: Offer) -> str:
    """Key, ETag, candidates for a modified field, navigation, enums and fields of one set."""
    kind = offer.entity_type
    key = ", ".join(kind.key) or "none is declared: name with `key` what identifies a row"
    lines = [offer.entity_set, f"  key          {key}"]
    if offer.first_row is not None:
        lines.append(f"  ETag         {offer.first_row.sentence}")
    candidates = [f"{prop.name} ({type_name(prop)})" for prop in offer.modified]
    lines.append(_listed("modified?", candidates or ["no field's name says so"]))
    if offer.company:
        lines.append(f"  company      {offer.company}")
    for title, navigation in (("references", kind.references), ("collections", kind.collections)):
        if navigation:
            lines.append(_listed(title, [f"{name} → {offer.leads_to(to)}" for name, to in navigation.items()]))
    for name, members in offer.enums.items():
        lines.append(_listed(f"enum {name.rpartition('.')[2]}", members))
    fields = [f"{prop.name} {type_name(prop)}{'' if prop.nullable else '!'}" for prop in kind.properties.values()]
    lines.append(_listed(f"{len(fields)} fields", fields))
    return "\n".join(lines)


def offers_yaml(offers: Sequence[Offer]) -> str:
    """A list for ``entities``; what has to be decided by a person is a comment."""
    return "\n".join(_item(offer, name) for offer, name in zip(offers, stream_names(offers), strict=True))


def _item(offer: Offer, stream: str) -> str:
    lines = [f"{name}: {_value(value)}" for name, value in entity_item(offer, stream).items()]
    if not offer.entity_type.key:
        lines.append("# key: []  # $metadata declares none: name what identifies a row")
    if offer.first_row is not None:
        lines.append(f"# ETag: {one_line(offer.first_row.sentence)}")
    candidates = [prop.name for prop in offer.modified]
    if candidates:
        lines.append(f"# modified: {_value(candidates[0])}  # only if it moves with every change of a row")
        lines += [f"# or {_value(name)}" for name in candidates[1:]]
    kind = offer.entity_type
    fields = stream_properties(kind, select=(), key=kind.properties.keys() & kind.key, where=offer.entity_set)
    lines.append(f"# select: {_value(list(fields))}")
    if kind.references:
        lines.append(f"# expand: {_value(list(kind.references))}")
    first, *rest = lines
    return "\n".join([f"- {first}", *(f"  {line}" for line in rest)])


def _value(value: Any) -> str:
    """A text or a list of texts in YAML's flow style."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if _PLAIN.fullmatch(value) and value.lower() not in _NOT_A_TEXT:
        return str(value)
    return '"' + "".join(map(_letter, value)) + '"'


def _letter(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return letter if letter.isascii() and letter.isprintable() else f"\\U{ord(letter):08x}"


def _listed(title: str, values: Iterable[str], indent: int = 2) -> str:
    """``title  a, b, c`` with its lines broken."""
    return "\n".join(
        wrap(
            ", ".join(value.replace(" ", _UNBROKEN) for value in values),
            _WIDTH,
            initial_indent=f"{' ' * indent}{title:<{_COLUMN - 1}} ",
            subsequent_indent=" " * (indent + _COLUMN),
            break_long_words=False,
            break_on_hyphens=False,
        )
    ).replace(_UNBROKEN, " ")
