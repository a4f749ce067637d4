"""The demo from beginning to end: sandbox, both pipes, a day of business, both pipes again, three figures, one page."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ifs_bi_sandbox.data import figures as source_figures
from ifs_bi_sandbox.demo.errors import DemoError
from ifs_bi_sandbox.demo.figures import companies, differences, report_of_source, report_of_tables, report_of_views
from ifs_bi_sandbox.demo.meltano import ENVIRONMENT, TAP, Meltano
from ifs_bi_sandbox.demo.page import page
from ifs_bi_sandbox.demo.places import Control, power_bi, warehouse
from ifs_bi_sandbox.demo.story import (
    PLACES,
    POWER_BI,
    REAL_SYSTEMS,
    SOURCE,
    WAREHOUSE,
    LookerCall,
    Story,
    events,
)
from ifs_bi_sandbox.demo.wording import count, day_name, money
from ifs_bi_sandbox.demo.workspace import check_checkout, make_folder, make_project, process_environment, sole_use
from ifs_bi_sandbox.servers import SERVERS, TODAY, Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from ifs_bi_sandbox.demo.figures import Report
    from ifs_bi_sandbox.demo.meltano import Passage
    from ifs_bi_sandbox.demo.terminal import Screen

STEPS = 6
FOLDER = Path("build", "demo")  # below the root of the checkout
WAREHOUSE_FILE = "warehouse.duckdb"
DATASET = "IFS Cloud (sandbox)"
PAGE, LOG = "report.html", "meltano.log"
MOST_DIFFERENCES = 20  # told one by one


@dataclass(frozen=True)
class Demo:
    """What a demo is made with.

    Attributes:
        root: the checkout of the project.
        program: Meltano's executable.
        scale: of the sandbox's data.
        seed: of the sandbox's data.
        today: the business day.
    """

    root: Path
    program: Path
    scale: int
    seed: int
    today: date = TODAY

    @property
    def folder(self) -> Path:
        """Where everything that the demo makes lies."""
        return self.root / FOLDER

    def run(self, screen: Screen) -> None:
        """Run it.

        Raises:
            DemoError: the root is no checkout, the folder can't be used, a pipe failed, or a place disagrees with the source.
        """
        check_checkout(self.root)
        with ExitStack() as running:
            running.enter_context(sole_use(self.folder))
            make_folder(self.folder)
            screen.step("The sandbox starts")
            with screen.working(f"data for a company group, about {self.scale:,} rows"):
                sandbox = running.enter_context(Sandbox(scale=self.scale, seed=self.seed, today=self.today))
            for name, url in sandbox.addresses.items():
                screen.say(f"{url}  {SERVERS[name]}")
            story = self._story(sandbox, screen)
            self._show(story, screen)

    def _story(self, sandbox: Sandbox, screen: Screen) -> Story:
        """Move the rows, twice, and compute the figures."""
        control = Control(sandbox.control_url)
        meltano = self._meltano(sandbox)
        screen.step("Meltano installs tap and targets")
        with screen.working("meltano install") as told:
            seconds = meltano.install((TAP, *PLACES.values()), told)
        screen.say(f"installed in {seconds:.1f} s; Meltano's project and its log are in {self._shown(self.folder)}")
        screen.step("First run: everything moves")
        sandbox.world.switches.looker_warehouse = str(self.folder / WAREHOUSE_FILE)
        first = self._run_pipes(meltano, screen)
        heard = len(control.looker_calls())
        screen.step(f"A day of business in IFS Cloud, {day_name(self.today)}")
        changes = control.day_of_business(self.seed)
        for times, what in events(changes):
            screen.say(f"{times} {what}")
        screen.step("Second run: the changes move")
        second = self._run_pipes(meltano, screen)
        known = source_figures.report(sandbox.world.database)
        today = date.fromisoformat(known["today"])
        with warehouse(self.folder / WAREHOUSE_FILE) as tables:
            legal_entities = companies(tables)
            in_warehouse = report_of_views(tables, today)
        with power_bi(control, DATASET) as tables:
            in_power_bi = report_of_tables(tables, today)
        return Story(
            today=today,
            made=datetime.now(UTC),
            scale=self.scale,
            seed=self.seed,
            reports={SOURCE: report_of_source(known), WAREHOUSE: in_warehouse, POWER_BI: in_power_bi},
            companies=legal_entities,
            passages={place: (first[place], second[place]) for place in PLACES},
            replication_keys=meltano.replication_keys(PLACES[WAREHOUSE]),
            changes=changes,
            meltano=self._shown(self.program),
            looker=looker_calls(control.looker_calls(), heard),
        )

    def _meltano(self, sandbox: Sandbox) -> Meltano:
        own = {
            **sandbox.environment(),
            "POWERBI_DATASET_NAME": DATASET,
            "WAREHOUSE_URL": f"duckdb:///{WAREHOUSE_FILE}",
        }
        make_project(self.root, self.folder, own)
        return Meltano(self.program, self.folder, process_environment(os.environ, own), self.folder / LOG)

    def _run_pipes(self, meltano: Meltano, screen: Screen) -> dict[str, Passage]:
        passages = {}
        for place, target in PLACES.items():
            with screen.working(f"meltano --environment={ENVIRONMENT} run {TAP} {target}") as told:
                passages[place] = meltano.run(target, told)
            moved = passages[place]
            screen.say(f"{TAP} → {target}: {count(moved.total, 'row')} in {moved.seconds:.1f} s")
        return passages

    def _show(self, story: Story, screen: Screen) -> None:
        """Tell what came of it, and write the page."""
        screen.moved(story)
        screen.looker(story)
        screen.step("The report")
        for place in PLACES:
            check_agreement(story.reports[SOURCE], story.reports[place], place)
        screen.figures(story)
        screen.agreement(story)
        file = self.folder / PAGE
        file.write_text(page(story), encoding="utf-8")
        screen.pause()
        screen.say(f"The same as a page, with charts: {file.resolve().as_uri()}")
        screen.say(f"The warehouse: {self._shown(self.folder / WAREHOUSE_FILE)}, a DuckDB file")
        screen.ending("Your own systems: copy .env.example to .env and fill in", REAL_SYSTEMS)
        screen.commands(story.commands)

    def _shown(self, file: Path) -> str:
        """A path as short as it can be said in the root."""
        return str(file.relative_to(self.root)) if file.is_relative_to(self.root) else str(file)


def looker_calls(calls: Sequence[Mapping[str, Any]], first: int) -> list[LookerCall]:
    """What Looker was asked, as the control endpoint tells it; the first load asked the ``first`` of it."""
    return [
        LookerCall(1 if place < first else 2, call["operation"], call["about"], call["quota"], call["status"])
        for place, call in enumerate(calls)
    ]


def check_agreement(expected: Report, found: Report, place: str) -> None:
    """Make sure that a place gives what the source gives, to the last digit.

    Raises:
        DemoError: it doesn't; names what differs.
    """
    differing = differences(expected, found)
    if not differing:
        return
    lines = [
        f"  {each.figure}, {' '.join(each.group)}: {_told(each.expected)} in {SOURCE}, {_told(each.found)} in {place}"
        for each in differing[:MOST_DIFFERENCES]
    ]
    more = len(differing) - len(lines)
    if more:
        lines.append(f"  and {count(more, 'difference')} more")
    raise DemoError(f"{place} and {SOURCE} don't agree:\n" + "\n".join(lines))


def _told(amount: Decimal | None) -> str:
    return "nothing" if amount is None else money(amount)
