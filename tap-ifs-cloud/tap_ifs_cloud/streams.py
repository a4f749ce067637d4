"""The one stream class: every entity of the catalogue is an instance of it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ContractBrokenError, IfsBiError
from ifs_bi_core.singer.progress import Progress
from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel

from tap_ifs_cloud.full import all_records
from tap_ifs_cloud.key_store import KeyStoreError
from tap_ifs_cloud.reading import DELIVERED, Reading, Surroundings
from tap_ifs_cloud.row_version import versioned_records
from tap_ifs_cloud.schema import DELETED_AT, catalog_schema
from tap_ifs_cloud.timestamp import changed_records
from tap_ifs_cloud.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ifs_bi_core.ledger.runs import Run
    from singer_sdk import Tap
    from singer_sdk.singerlib import SelectionMask

    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.source import Source


class EntityStream(Stream):
    """Reads one entity set, in the way that its source says.

    Args:
        tap: the tap.
        source: what is read.
        cloud: where it is read.
        run: the run in the ledger, if it is kept.
        key_store: the file of what was delivered; None for one that forgets.
        turns: who may write, where streams are read side by side.
    """

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # `RowReader` has given every value its type
    is_sorted = True  # a run that was interrupted goes on from its last STATE

    def __init__(
        self,
        tap: Tap,
        source: Source,
        cloud: IfsCloud,
        run: Run | None = None,
        key_store: Path | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._source = source
        self._cloud = cloud
        self._run = run
        self._key_store = key_store
        self._turns = turns or Turns()
        self.failure: IfsBiError | None = None
        self.wire_schema = source.schema
        super().__init__(tap, schema=catalog_schema(source.schema), name=source.entity.name)
        self.primary_keys = [prop.name for prop in source.key]
        self.replication_key = source.modified.name if source.modified else None

    def apply_catalog(self, catalog: Any) -> None:
        """Take selection, keys and replication from a catalog; types stay those of ``$metadata``."""
        super().apply_catalog(catalog)
        self._input_schema = None

    @property
    def mask(self) -> SelectionMask:
        """What is selected; a gone row says so, whatever a catalog selects, or its record would be one of nulls."""
        mask = super().mask
        mask[("properties", DELETED_AT)] = True
        return mask

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """The records of this run.

        A stream whose source is not what the catalogue says stops here and leaves the others to go on; the tap ends with
        exit code 1.
        """
        del context
        state = self.get_context_state(None)
        progress = Progress(self.name, estimate=(state.get(DELIVERED) or {}).get("rows"), log=self.logger.info)
        reading = Reading(
            self._source,
            self.config,
            self._cloud,
            destination=self,
            state=state,
            surroundings=Surroundings(self.logger, progress, self._run, self._key_store, waiting=self._turns.away),
            deselected=[name for name in self._source.properties if not self.mask[("properties", name)]],
        )
        try:
            yield from self._records(reading)
        except (ContractBrokenError, KeyStoreError) as error:
            self.failure = error
            self.logger.error("%s", error)  # noqa: TRY400 - the sentence is for a person; it needs no traceback
        else:
            progress.done()

    def _records(self, reading: Reading) -> Iterator[dict[str, Any]]:
        modified = self._source.modified
        if modified and self.replication_method == "INCREMENTAL":
            return changed_records(reading, modified)
        if self._source.replication == "row_version":
            return versioned_records(reading)
        return all_records(reading)

    def begin_version(self, version: int | None = None) -> int:
        """From here on, records say that they belong to a reading of the entire set: a new one, or one that was cut short."""
        self._stream_version = version or int(datetime.now(UTC).timestamp() * 1000)
        return self._stream_version

    def complete_version(self, count: int, before: int) -> bool:
        """The entire set was read: only now is it known that what was not sent is gone.

        Args:
            count: rows that were read.
            before: rows of the last reading.

        Returns:
            False where the set is empty, which is not believed.
        """
        if count == 0:
            # A service user that lost its Allowed Companies is answered like this, too, also in a run without state.
            self.logger.log(
                logging.WARNING if before else logging.INFO,
                "%s is empty, and had %d rows in the last run that is known: nothing is removed. Check what the service user may "
                "see (permission set, Allowed Companies); if the set is really empty, remove its rows at the destination.",
                self.name,
                before,
            )
            return False
        if self.selected and self._stream_version is not None:
            self._write_activate_version_message(self._stream_version)
        self._stream_version = None
        return True

    def _increment_stream_state(self, latest_record: Any, *, context: Any = None) -> None:
        """Nothing: the ways of replication keep the bookmark, and know what is written."""
