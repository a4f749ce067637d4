"""A stream that joins the sets through which a row passes: a voucher's row waits in hold until "Update GL" moves it on.

The sets are read in the order of the stages. A row that moves while they are read was in the earlier set when that one was read,
or is in the later set when that one is: it is met at least once. A row that is met in both counts as the later stage's. So a move
is a change of the row, never its end: what is gone is known only after a look at all sets.

The key store remembers a row's stage with its version, so that a move is found whatever the versions are. At a destination the
newer ``_ifs_row_version`` wins, and a database's clock can stand still or be set back between two stages; in the last stage that
column is therefore a millisecond later than the ETag says, and always later than what was delivered of the row before. In full
replication, where nothing is remembered, rows of earlier stages have no ``_ifs_row_version``: any other replaces them.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_ifs_cloud.asking import short_name
from tap_ifs_cloud.odata import fixed, parse_instant
from tap_ifs_cloud.reading import HAD_ROWS, Reading
from tap_ifs_cloud.rows import RowReader
from tap_ifs_cloud.schema import ROW_VERSION
from tap_ifs_cloud.source import STAGE
from tap_ifs_cloud.versions import Provisional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.metadata import Property
    from tap_ifs_cloud.source import Source
    from tap_ifs_cloud.versions import Version

Row = dict[str, Any]

STAGES = "stages"
"""Where a bookmark keeps what reading the set of each stage taught."""

_TICK = timedelta(milliseconds=1)  # the least that every destination keeps


class Stage(Reading):
    """The reading of one stage's set, whose rows say so.

    Args:
        name: of the stage.
        source: the set.
        config: the settings.
        cloud: where it is read.
        names: of all stages, in order.
        lacking: properties that only other stages have.
        heard: is told of every page.
        how: as of `Reading`.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        config: Mapping[str, Any],
        cloud: IfsCloud,
        *,
        names: Sequence[str],
        lacking: Sequence[str],
        heard: Callable[[Stage], None],
        **how: Any,
    ) -> None:
        super().__init__(source, config, cloud, **how)
        self.stage = name
        self.is_last = name == names[-1]
        self._names = names
        self._lacking = dict.fromkeys(lacking)
        self._heard = heard

    def pages(
        self,
        order: Sequence[Property],
        base_filter: str,
        *,
        select: Sequence[str] | None = None,
        is_all: Callable[[int], bool] | None = None,
    ) -> Iterator[list[Row]]:
        """The rows of a question with their stage, page by page."""
        for rows in super().pages(order, base_filter, select=select, is_all=is_all):
            self._heard(self)
            yield [{**self._lacking, **row, STAGE: self.stage} for row in rows]

    def holds(self, version: Version | None) -> bool:
        """Whether a row that was taken down with this version is in this stage."""
        mark = str(version).partition(":")[0]
        return self.stage == (mark if mark in self._names else self._names[-1])

    def marked(self, version: Version, row: Mapping[str, Any]) -> Version:
        """The version with the stage; a digest knows the stage already."""
        del row
        is_plain = self.is_last or (isinstance(version, str) and version.startswith("#"))
        return version if is_plain else f"{self.stage}:{version}"


class StagedReading(Reading):
    """One reading of a stream that joins the sets of several stages.

    Args:
        source: the sets together.
        config: the settings.
        cloud: where they are read.
        how: as of `Reading`.
    """

    def __init__(self, source: Source, config: Mapping[str, Any], cloud: IfsCloud, **how: Any) -> None:
        super().__init__(source, config, cloud, **how)
        learned = self.state.get(STAGES) or {}
        names = [name for name, _ in source.stages]
        self._stages = tuple(
            Stage(
                name,
                own,
                config,
                cloud,
                names=names,
                lacking=[prop for prop in source.properties if prop not in own.properties],
                heard=self._hear,
                **{**how, "state": dict(learned.get(name) or {})},
            )
            for name, own in source.stages
        )
        self._by_name = {stage.stage: stage for stage in self._stages}
        self._read: Counter[str] = Counter()

    def _hear(self, stage: Stage) -> None:
        self.asked_at, self.received_at = stage.asked_at, stage.received_at

    @property
    def stages(self) -> Sequence[Stage]:
        """The readings of the stages."""
        return self._stages

    def question(self, *facts: Any) -> str:
        """A short name of what is asked of the stages together."""
        return short_name(" ".join(stage.question(stage.stage, *facts) for stage in self._stages))

    def records(self) -> RowReader:
        """Turns rows into records."""
        facts = (self.name, self.source.properties, self.source.expanded, None, self.zone)
        return _FullReader(self._stages[-1].stage, *facts) if self.source.replication == "full" else RowReader(*facts)

    def pages(
        self,
        order: Sequence[Property],
        base_filter: str,
        *,
        select: Sequence[str] | None = None,
        is_all: Callable[[int], bool] | None = None,
    ) -> Iterator[list[Row]]:
        """The rows of all stages, one after the other."""
        self._read.clear()
        for stage in self._stages:
            own = [next(prop for prop in stage.source.key if prop.name == one.name) for one in order]
            question = stage.scope if base_filter == self.scope else base_filter
            for rows in stage.pages(own, question, select=select, is_all=is_all):
                self._read[stage.stage] += len(rows)
                yield rows
            if base_filter == self.scope:
                stage.state[HAD_ROWS] = self._read[stage.stage]
            self.state.setdefault(STAGES, {})[stage.stage] = stage.state

    @property
    def longest_page(self) -> int:
        """Rows of the longest page that came of any stage."""
        return max(stage.longest_page for stage in self._stages)

    @property
    def refuses_select(self) -> bool:
        """Whether one of the sets is known to answer with whole rows alone."""
        return any(stage.refuses_select for stage in self._stages)

    def select_nothing(self) -> bool:
        """Ask for whole rows instead of what a catalog leaves of them; False where that is no difference."""
        changed = [stage.select_nothing() for stage in self._stages]
        return any(changed)

    def marked(self, version: Version, row: Mapping[str, Any]) -> Version:
        """The version with the stage of the row."""
        return self._by_name[row[STAGE]].marked(version, row)

    def superseding(self, record: Row, delivered: Version | None) -> Row:
        """A record of the last stage, later than whatever was delivered of the same key."""
        if not self._by_name[record[STAGE]].is_last or not record.get(ROW_VERSION):
            return record
        moments = [parse_instant(record[ROW_VERSION]), _moment(delivered)]
        return {**record, ROW_VERSION: fixed(max(moment for moment in moments if moment) + _TICK)}

    def believed(self, count: int) -> int:
        """None of the rows where the set in which rows stay is empty: the user may have lost the right to see it."""
        last = self._stages[-1]
        if count and not self._read[last.stage]:
            self.log.warning("%s: %s", self.name, self._emptiness(last))
            return 0
        return count

    @property
    def doubt(self) -> str | None:
        """Rows in no stage are not taken for gone while the set of one is empty."""
        empty = next((stage for stage in self._stages if not self._read[stage.stage]), None)
        if empty is None:
            return None
        return (
            f"{self.name}: {self._emptiness(empty)}, and some rows that were delivered are in no stage any more: nothing is "
            f"removed. Check what the service user may see (permission set, Allowed Companies)."
        )

    @staticmethod
    def _emptiness(stage: Stage) -> str:
        return f"{stage.source.entity.where}, stage {stage.stage}, is empty"


class _FullReader(RowReader):
    """Leaves the row version out of rows that may move on.

    Args:
        last: the stage that rows stay in.
        facts: as of `RowReader`.
    """

    def __init__(self, last: str, *facts: Any) -> None:
        super().__init__(*facts)
        self._last = last

    def record(self, row: Mapping[str, Any]) -> Row:
        """One record."""
        record = super().record(row)
        return record if row[STAGE] == self._last else {**record, ROW_VERSION: None}


def _moment(version: Version | None) -> datetime | None:
    """When a row that was delivered had last changed, as far as its version says it."""
    provisional = Provisional.parsed(version)
    digits = str(provisional.version if provisional else version).rpartition(":")[2]
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
