"""Names and labels in LookML. Pure.

A name of LookML has lower-case letters, digits and underscores
(docs.cloud.google.com/looker/docs/reference/param-field-dimension); a label is any text without what would end it or would be
read as LookML or Liquid.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+")
_MEANING = re.compile(r";;|[$@]\{|\{\{|\{%|[\x00-\x1f\x7f]")
_MARKUP = re.compile(r'["\\{}\x00-\x1f\x7f]+')
_FIRST_LETTER = "f_"

_WRITTEN = {
    "Accnt": "account",
    "Amt": "amount",
    "Curr": "currency",
    "Db": "(database value)",
    "Debet": "debit",
    "Desc": "description",
    "Dom": "accounting currency",
    "Id": "ID",
    "Meas": "of measure",
    "No": "no.",
    "Qty": "quantity",
    "Rel": "release",
    "Vat": "VAT",
}
"""How words of IFS Cloud's property names are written for people."""


def words(name: str) -> list[str]:
    """The words of a name in camel or snake case: ``NetAmtCurr`` has three."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", errors="ignore").decode()
    return _WORD.findall(plain)


def lookml_name(name: str) -> str:
    """The name of a field or view for a property or stream: ``NetAmtCurr`` → ``net_amt_curr``."""
    found = "_".join(words(name)).lower()
    if not found:
        return f"{_FIRST_LETTER}{digest(name)}"
    return found if found[0].isalpha() else _FIRST_LETTER + found


def digest(name: str) -> str:
    """Eight digits that stand for a name, the same in every run."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]


def label(name: str) -> str:
    """A property's or stream's name for people: ``NetAmtCurr`` → ``Net amount currency``."""
    spelled = [_WRITTEN.get(word.capitalize(), word if word.isupper() else word.lower()) for word in words(name)]
    text = " ".join(spelled) or plain(name)
    return text[:1].upper() + text[1:]


def plain(text: str) -> str:
    """A text that can stand between quotation marks in LookML, whatever the source wrote."""
    return _MARKUP.sub(" ", text).strip() or "unnamed"


def expressible(name: str) -> bool:
    """Whether a table or column can be named in the SQL of LookML: nothing in it is LookML or Liquid itself."""
    return not _MEANING.search(name)


class Taken:
    """The names of one place; each is given once."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def take(self, candidates: Iterable[str], endings: Iterable[str] = ("",)) -> str | None:
        """The first candidate that is free with all endings, which are taken with it; None where there is none."""
        ends = tuple(endings)
        for candidate in candidates:
            made = {candidate + end for end in ends}
            if made.isdisjoint(self._names):
                self._names |= made
                return candidate
        return None
