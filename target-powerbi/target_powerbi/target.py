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
from target_powerbi.settings import SETTINGS, read_settings
from target_powerbi.sinks import PowerBISink

if TYPE_CHECKING:
    from ifs_bi_core.http.client import Surroundings


@dataclass(frozen=True)
class Run:
    """What one run delivers with."""

    kept: Kept
    dataset: PushDataset
    delivery: Delivery


class TargetPowerBI(OrderedTarget):
    """Keeps the tables of a Power BI push dataset equal to the streams it reads.

    STATE leaves once, after the last table was made right. Before that moment no STATE would be true: a table may
    wait for its rewrite.
    """

    name = "target-powerbi"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS
    default_sink_class = PowerBISink
    confirms_at_end = True
    surroundings: ClassVar[Surroundings] = REAL

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = read_settings(self.config)

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
            api = connect(self.settings, self.surroundings, self.account.run.observer("powerbi"))
            dataset = PushDataset(self.settings, api, kept)
            dataset.find()
            delivery = Delivery(dataset, api, kept, batch_size_rows=self.settings.batch_size_rows)
            delivery.repair()
        except BaseException:
            kept.close()
            raise
        return Run(kept, dataset, delivery)

    def close(self) -> None:
        """Let another run have the kept rows."""
        if "run" in self.__dict__:
            self.run.kept.close()

    @property
    def destination(self) -> str:
        """The dataset, and how it is written."""
        return self.settings.destination

    def finish(self) -> None:
        """Make every table right."""
        self.run.delivery.finish()

    def settle(self) -> None:
        """Rows without keys stay from now on: their state leaves."""
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
