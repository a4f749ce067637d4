"""An entity's own filter: what of it a server that refuses some of it can still be asked, and how the rest is judged here.

Tenants are known that answer 400 to every filter on ``Objstate``. The conditions that name an enumeration are then judged here,
as far as they can be judged exactly (`tap_ifs_cloud.conditions`), and the server is asked for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ContractBrokenError

from tap_ifs_cloud.conditions import all_true, conditions, tokens
from tap_ifs_cloud.odata import all_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_ifs_cloud.conditions import Condition, Judge, Row
    from tap_ifs_cloud.metadata import Property

_HOW_TO = (
    "The tap itself can judge eq, ne and in, for numbers, dates and timestamps also gt, ge, lt and le, joined by and, or and "
    "not (...), on properties of the set. Write the filter with these, or leave that part out."
)


@dataclass(frozen=True)
class Split:
    """A filter in two parts.

    Attributes:
        server: what the server is asked; may be empty.
        names: what a row has to carry to be judged.
        judge: whether the rest is true of a row.
    """

    server: str
    names: tuple[str, ...] = ()
    judge: Judge = lambda _: True

    def kept(self, rows: list[Row]) -> list[Row]:
        """The rows of which the rest is true.

        Raises:
            ContractBrokenError: a row lacks what is judged.
        """
        if not self.names:
            return rows
        try:
            return [row for row in rows if self.judge(row)]
        except (KeyError, ValueError, ArithmeticError) as error:
            raise ContractBrokenError(
                f"A row can't be judged by {', '.join(self.names)} ({error}). Leave that out of the entity's filter."
            ) from None


@dataclass(frozen=True)
class StateFilter:
    """The filter of an entity.

    Attributes:
        text: as it was configured.
        properties: of the set, by name, whether they are read or not.
        enums: members of each enum by its qualified name.
    """

    text: str
    properties: Mapping[str, Property]
    enums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def states(self) -> tuple[str, ...]:
        """The enumerations that it names: the properties that servers were seen to refuse."""
        names = dict.fromkeys(token.text for token in tokens(self.text) if token.kind == "word")
        return tuple(name for name in names if name in self.properties and self.properties[name].is_enum)

    def hint(self) -> str | None:
        """What to write instead of an enumeration's value as a plain text, which IFS Cloud refuses; None where none is."""
        found = [token for token in tokens(self.text) if token.kind != "space"]
        for one, between, other in zip(found, found[1:], found[2:], strict=False):
            prop = self.properties.get(one.text)
            if prop and prop.is_enum and between.text in {"eq", "ne"} and other.kind == "text":
                return f"{one.text} is an enumeration: write {prop.type}{other.text} instead of {other.text}."
        return None

    def split(self, stream: str) -> Split:
        """What the server is asked, and what is judged here: all conditions that name an enumeration.

        Raises:
            ContractBrokenError: such a condition can't be judged.
        """
        states = frozenset(self.states)
        server: list[Condition] = []
        judged: list[Condition] = []
        for part in conditions(self.text, self.properties, self.enums):
            (judged if states & part.names else server).append(part)
        for part in judged:
            if part.judge is None:
                raise ContractBrokenError(
                    f"{stream}: IFS Cloud refuses to filter by {', '.join(sorted(states & part.names))}, and {part.why} can't be "
                    f"judged by the tap. {_HOW_TO}"
                )
        judges = [part.judge for part in judged if part.judge]
        names = dict.fromkeys(name for part in judged for name in sorted(part.names))
        return Split(all_of(*(part.text for part in server)), tuple(names), lambda row: all_true(judges, row))
