"""What the engine asks of an open warehouse: the thin part that differs from one product to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa
    from ifs_bi_core.errors import IfsBiError

    from target_looker_warehouse.dialects.facts import Dialect

    Refusal = Callable[[str], IfsBiError]


class Address(NamedTuple):
    """A warehouse that can be opened.

    Attributes:
        destination: the warehouse without secrets: the same text for the same place in every run.
        open: connects to it.
    """

    destination: str
    open: Callable[[], Connection]


class Connection(Protocol):
    """One open connection, of one run. All but `close` and `claim` is called within `transaction`.

    Where `Dialect.transactional_ddl` is false, a transaction begins with the first `write` or `append`: within a `transaction`,
    the engine calls `define` and `staged` before that, or doesn't write at all.

    Attributes:
        dialect: what this kind of warehouse can do.
        main_schema: where tables are, if nobody says so.
        inside: names around a schema, from the outer to the inner.
    """

    dialect: Dialect
    main_schema: str
    inside: tuple[str, ...]

    def transaction(self, what: str, could_not: str, refused: Refusal | None = None) -> AbstractContextManager[None]:
        """All that is written inside, or nothing; what the warehouse says against a statement becomes a sentence.

        Args:
            what: the table.
            could_not: what could not be done with it.
            refused: makes the error where the warehouse says that it is the values that can't be taken; its words are given.

        Raises:
            ConfigError: this user may not do it.
            OutcomeUnknownError: the connection was lost while the end of the transaction was awaited.
            IfsBiError: it could not be done; nothing of it was.
        """

    def query(self, text: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement's answer."""

    def define(self, text: str) -> None:
        """Make, change or remove a table or a schema."""

    def write(self, text: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows a statement wrote."""

    def append(self, table: str, rows: pa.Table) -> None:
        """Put rows into a table, in bulk. The table's name is SQL text."""

    def staged(self, rows: pa.Table, table: str) -> AbstractContextManager[str]:
        """Rows as a table, with the types that the columns of another one have: its name, as SQL text.

        There may be several at once. They are gone when the transaction has ended, or after a crash with the session or a day
        later.
        """

    def claim(self, schema: str, stream: str) -> None:
        """See that no other run writes this stream's table until this connection is closed, if the warehouse can.

        Raises:
            IfsBiError: another one does; it says which.
        """

    def close(self) -> None:
        """Give everything back. Closing twice does no harm."""
