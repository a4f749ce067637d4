"""``ifs-bi powerbi verify``: the number of rows and the sums of a table, in Power BI and in the kept rows.

Power BI answers by DAX. In `signed` both are sums over `_sign`. Int64 and Decimal are compared digit for digit, as far as the
service writes digits: a double has 52 bits of them. Sums of doubles depend on the order of their parts.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import AuthError, ConfigError, ContractBrokenError
from ifs_bi_core.http.client import REAL
from ifs_bi_core.singer.lines import decode

from target_powerbi.api import connect
from target_powerbi.choices import NUMBERS
from target_powerbi.dax import quoted_column, quoted_table
from target_powerbi.kept import Kept, Status, file_of
from target_powerbi.limits import LIMITS
from target_powerbi.outcomes import ALLOW_QUERIES
from target_powerbi.tables import SIGN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ifs_bi_core.http.client import Surroundings

    from target_powerbi.api import PowerBI
    from target_powerbi.command.verification_source import AtSource
    from target_powerbi.kept import KeptTable
    from target_powerbi.settings import Settings
    from target_powerbi.tables import Column, Table

_DIGITS = 200  # of sums while they are made: exact for every column but those of doubles far apart
_LAST_BIT = Decimal(2) ** -52
_DOUBLES = Decimal("1e-9")  # of the sum of magnitudes


@dataclass(frozen=True)
class Sum:
    """The sum of a column.

    Attributes:
        column: as Power BI calls it.
        kept: of the kept rows.
        shown: in Power BI.
        tolerance: how far apart they may be.
    """

    column: str
    kept: Decimal
    shown: Decimal
    tolerance: Decimal

    @property
    def holds(self) -> bool:
        """Whether they are equal."""
        return abs(self.kept - self.shown) <= self.tolerance


@dataclass(frozen=True)
class Verified:
    """What was found out about one table.

    Attributes:
        stream: of its rows.
        table: as Power BI calls it.
        rows_kept: how many rows it is to show.
        rows_shown: how many it shows; None where that is not known.
        sums: of its numeric columns.
        due: why the next run rewrites it; None where it does not.
        problem: why Power BI can't tell.
        skipped: why nothing was compared.
        no_source: why its rows are not one each with those at the source; None where they are.
        source: what the stream has at its source, where that was asked.
    """

    stream: str
    table: str
    rows_kept: int
    rows_shown: int | None = None
    sums: tuple[Sum, ...] = ()
    due: str | None = None
    problem: str | None = None
    skipped: str | None = None
    no_source: str | None = None
    source: AtSource | None = None

    @property
    def is_as_source(self) -> bool:
        """Whether the table shows as many rows as its source has, as far as was compared."""
        if self.source is None or self.source.rows is None:
            return True
        return self.source.rows == (self.rows_kept if self.rows_shown is None else self.rows_shown)

    @property
    def holds(self) -> bool:
        """Whether the table shows what is kept, and as many rows as its source has, as far as was compared."""
        return self.is_as_kept and self.is_as_source

    @property
    def is_as_kept(self) -> bool:
        """Whether the table shows what is kept, as far as was compared."""
        if self.skipped is not None:
            return True
        return self.problem is None and self.rows_kept == self.rows_shown and all(found.holds for found in self.sums)


def verified(settings: Settings, names: Sequence[str] = (), surroundings: Surroundings = REAL) -> list[Verified]:
    """Compare the tables of a dataset with the kept rows.

    Args:
        settings: of the target.
        names: streams or tables; none: all.
        surroundings: clock and sleep.

    Raises:
        ConfigError: nothing is kept of the dataset, or not of these tables.
        IfsBiError: Power BI can't be asked.
    """
    with closing(opened(settings)) as kept:
        dataset_id = kept.dataset_id
        if dataset_id is None:
            raise never_delivered(settings)
        api = connect(settings, surroundings)
        tables = chosen(kept.tables(), names)
        return [_verified(api, kept, dataset_id, stream, found, settings) for stream, found in tables.items()]


def opened(settings: Settings) -> Kept:
    """The kept rows of a dataset that something was delivered to.

    Raises:
        ConfigError: nothing was, or a run is going on.
    """
    if not file_of(settings).exists():
        raise never_delivered(settings)
    return Kept(file_of(settings))


def never_delivered(settings: Settings) -> ConfigError:
    """The error where nothing is kept of a dataset."""
    return ConfigError(
        f"Nothing was delivered yet to dataset {settings.dataset} with write_mode {settings.write_mode}: {file_of(settings)} has "
        f"no rows of it. Check state_dir and the settings, or run the target first."
    )


def chosen(tables: Mapping[str, KeptTable], names: Sequence[str]) -> dict[str, KeptTable]:
    """The tables that are named, by stream; all of them where none is.

    Raises:
        ConfigError: there is none of a name.
    """
    for name in names:
        if not any(name in {stream, kept.table.name} for stream, kept in tables.items()):
            raise ConfigError(
                f"There is no stream or table '{name}' in this dataset. It has {', '.join(tables) or 'none'}."
            )
    return {stream: kept for stream, kept in tables.items() if not names or {stream, kept.table.name} & set(names)}


def _verified(api: PowerBI, kept: Kept, dataset_id: str, stream: str, found: KeptTable, settings: Settings) -> Verified:
    table, rows = found.table, kept.count(stream)
    if settings.retention_policy != "none" and rows > LIMITS.rows_per_fifo_table:
        why = f"not compared, since retention_policy {settings.retention_policy} drops its oldest rows."
        return Verified(stream, table.name, rows, skipped=why, no_source=why.removeprefix("not compared, "))
    no_source = _no_source(table, settings)
    due = None
    if found.status is not Status.CLEAN:
        due = "it may show something else than the kept rows; the next run makes it right."
    signed = settings.write_mode == "signed"
    columns = [column for column in table.columns if column.type in NUMBERS]
    try:
        answer = api.query(
            dataset_id, query_of(table, columns, signed=signed), operation=f"sums of table '{table.name}'"
        )
    except AuthError as error:
        raise AuthError(f"{error} Where it is queries alone that are refused: {ALLOW_QUERIES}") from None
    except ContractBrokenError as error:
        return Verified(stream, table.name, rows, due=due, problem=str(error), no_source=no_source)
    shown = [Decimal(answer[0].get(f"[{place}]") or 0) for place in range(len(columns) + 1)] if answer else []
    if not shown:
        problem = "the answer of Power BI holds no row."
        return Verified(stream, table.name, rows, due=due, problem=problem, no_source=no_source)
    with localcontext(Context(prec=_DIGITS)):
        sums = tuple(_sums(kept.rows(stream), columns, shown[1:]))
    return Verified(stream, table.name, rows, int(shown[0]), sums, due, no_source=no_source)


def _no_source(table: Table, settings: Settings) -> str | None:
    if settings.write_mode == "append":
        return "in write_mode append every version of a row is a row."
    return None if table.keys else "it has no key, so every row that comes is one more."


def query_of(table: Table, columns: Iterable[Column], *, signed: bool) -> str:
    """The DAX query for the number of rows, as ``[0]``, and for the sum of each column, in their order."""
    name = quoted_table(table.name)

    def of(column: Column) -> str:
        return quoted_column(table.name, column.name)

    sums = [f"SUMX({name}, {of(one)} * {of(SIGN)})" if signed else f"SUM({of(one)})" for one in columns]
    rows = f"SUM({of(SIGN)})" if signed else f"COUNTROWS({name})"
    labelled = [f'"{place}", {value}' for place, value in enumerate([rows, *sums])]
    return f"EVALUATE ROW({', '.join(labelled)})"


def _sums(rows: Iterable[bytes], columns: Sequence[Column], shown: Sequence[Decimal]) -> Iterable[Sum]:
    totals = [Decimal(0)] * len(columns)
    magnitudes = [Decimal(0)] * len(columns)
    names = [column.name for column in columns]
    for row in rows if columns else ():
        values: dict[str, Any] = decode(row)
        for place, name in enumerate(names):
            if value := values.get(name):
                totals[place] += value
                magnitudes[place] += abs(value)
    for column, total, magnitude, there in zip(columns, totals, magnitudes, shown, strict=True):
        tolerance = magnitude * _DOUBLES if column.type == "Double" else abs(total) * _LAST_BIT
        yield Sum(column.name, total, there, tolerance)
