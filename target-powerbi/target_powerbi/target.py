"""The target: opens what a run needs when the first SCHEMA comes, and closes it when all tables are right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from ifs_bi_core.http.client import REAL
from ifs_bi_core.singer import plugin
from ifs_bi_core.singer.target import OrderedTarget

from target_powerbi.api import connect
from target_powerbi.dataset import PushDataset
from target_powerbi.delivery import Delivery
from target_powerbi.kept import Kept, file_of
from target_powerbi.mirroring.run import Mirroring, open_mirroring
from target_powerbi.mirroring.sinks import MirroringSink
from target_powerbi.posting import Posting
from target_powerbi.rows import key_in_ledger
from target_powerbi.setting_table import SETTINGS
from target_powerbi.settings import read_settings
from target_powerbi.signed import SignedDelivery
from target_powerbi.sinks import PowerBISink

if TYPE_CHECKING:
    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.singer.sinks import RowSink

    from target_powerbi.api import PowerBI


@dataclass(frozen=True)
class Run:
    """What one run delivers with."""

    kept: Kept
    dataset: PushDataset
    delivery: Delivery | SignedDelivery


class TargetPowerBI(OrderedTarget):
    """Keeps the tables of a Power BI push dataset, or of a mirrored database in Fabric, equal to the streams it reads.

    With a push dataset STATE leaves once, after the last table was made right. Before that moment no STATE would be true: a
    table may wait for its rewrite.
    """

    name = "target-powerbi"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS
    default_sink_class: type[RowSink] = PowerBISink
    confirms_at_end = True
    surroundings: Surroundings = REAL

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = read_settings(self.config)
        if self._mirrors_to_fabric:  # a file is seen whole as soon as it has its name
            self.default_sink_class = MirroringSink
            self.confirms_at_end = self.holds_state = False

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """The SDK's settings, without `load_method`: `write_mode` says how rows are written."""
        super().append_builtin_config(config_jsonschema)
        config_jsonschema["properties"].pop("load_method", None)

    @cached_property
    def run(self) -> Run:
        """The dataset, looked up and repaired after an earlier run.

        Raises:
            IfsBiError: sign-in, workspace or dataset are not as configured.
        """
        kept = Kept(file_of(self.settings))
        try:
            api = self.connected()
            dataset = PushDataset(self.settings, api, kept)
            dataset.find()
            mirrors, rows = self.settings.write_mode == "mirror", self.settings.batch_size_rows
            posting = Posting(
                dataset,
                api,
                kept,
                on_unknown=self.settings.on_unknown or ("rewrite" if mirrors else "stop"),
                surroundings=self.surroundings,
                retains=self.settings.retention_policy == "none",
            )
            within_hour = mirrors and self.settings.on_unknown != "rewrite"
            tables = Delivery(dataset, posting, kept, batch_size_rows=rows, within_hour=within_hour)
            delivery: Delivery | SignedDelivery = tables
            if self.settings.write_mode == "signed":
                delivery = SignedDelivery(tables, posting, dataset, kept, batch_size_rows=rows)
            delivery.repair()
        except BaseException:
            kept.close()
            raise
        return Run(kept, dataset, delivery)

    def connected(self) -> PowerBI:
        """The workspace, whose every request the ledger hears of."""
        return connect(self.settings, self.surroundings, self.account.run.observer("powerbi"))

    @cached_property
    def mirroring(self) -> Mirroring:
        """The landing zone of this run.

        Raises:
            ConfigError: it is not as configured, or another run writes there.
        """
        return open_mirroring(self.settings, self.surroundings, self.account.run.observer("onelake"))

    @property
    def _mirrors_to_fabric(self) -> bool:
        return self.settings.landing_zone_url is not None

    def close(self) -> None:
        """Let another run have the kept rows."""
        for opened in (self.__dict__.get("run"), self.__dict__.get("mirroring")):
            if opened is not None:
                opened.kept.close()

    @property
    def destination(self) -> str:
        """The dataset, and how it is written."""
        return self.settings.destination

    def finish(self) -> None:
        """Make every table right; a row that Power BI refuses in a rewrite goes to the dead letters."""
        super().finish()
        if self._mirrors_to_fabric:
            return
        self.run.delivery.finish(None if self.fails_on_refusal else self._refuse)

    def _refuse(self, stream: str, key: str, reason: str) -> bool:
        kept = self.run.kept.table(stream)
        told = None if kept is None else key_in_ledger(kept.table, key)
        return told is not None and self.refuse_pushed(stream, told, reason)

    def settle(self) -> None:
        """Rows without keys stay from now on: their state leaves."""
        if self._mirrors_to_fabric:
            if "mirroring" in self.__dict__:
                self.mirroring.settle()
            return
        self.run.delivery.settle()

    def process_endofpipe(self) -> None:
        """Deliver what is gathered, make every table right, and only then let STATE go."""
        try:
            super().process_endofpipe()
        finally:
            self.close()


def main() -> None:
    """The command `target-powerbi`."""
    plugin.run(TargetPowerBI)
