"""Reasons of refusals without the values that were refused: what leaves the machine, or stands on a page, names no data."""

from __future__ import annotations

import re

HIDDEN = "…"
_LENGTH = 240

_QUOTED = re.compile(r"""(?<!\w)(?:'[^']*'|"[^"]*"|`[^`]*`|“[^”]*”|«[^»]*»)(?!\w)""")
_OPEN_QUOTE = re.compile(r"""(?<!\w)['"`“«].*""", re.DOTALL)
_STRUCTURE = re.compile(r"[\[{(][^\[\]{}()]*\d[^\[\]{}()]*[\]})]|\{[^{}]*\}")
_BARE_VALUE = re.compile(r"(?P<before>\b(?:is|value|got|found|key)[ :=]+)[^,;:]+?(?=, |; |: |\.$|$)")
_WITH_DIGITS = re.compile(r"[^\s,;:()]*\d[^\s,;:()]*")
_KEPT = frozenset({"Int64", "Int32", "Float64", "UTF-8", "8601", "IEEE754"})  # names of types and standards
_MANY = re.compile(rf"{HIDDEN}(?:[\s,.:;/-]*{HIDDEN})+")


def without_values(reason: str) -> str:
    """A reason in which everything that may be a value is replaced by an ellipsis; the whole one stands in the dead letter.

    Hidden are: what stands in quotes, braces, or behind "is", "value" and their like, and every word with a digit.
    """
    text = " ".join(reason.split())
    for pattern in (_QUOTED, _OPEN_QUOTE, _STRUCTURE):
        text = pattern.sub(HIDDEN, text)
    text = _BARE_VALUE.sub(lambda found: f"{found['before']}{_bare(found[0][len(found['before']) :])}", text)
    text = _WITH_DIGITS.sub(lambda found: found[0] if found[0].strip(".") in _KEPT else HIDDEN, text)
    text = _MANY.sub(HIDDEN, text)
    return text if len(text) <= _LENGTH else text[: _LENGTH - 1].rstrip() + HIDDEN


def _bare(words: str) -> str:
    """What stands behind such a word: several words are a sentence, a single one may be the value."""
    return HIDDEN if len(words.split()) == 1 else words
