"""What the demo shows in the terminal: live where it can be, line by line in a log."""

from __future__ import annotations

import time
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ifs_bi_sandbox.demo.figures import FIGURES, OUTSTANDING, units
from ifs_bi_sandbox.demo.story import bars, largest, totals
from ifs_bi_sandbox.demo.wording import due, money

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ifs_bi_sandbox.demo.figures import Figure
    from ifs_bi_sandbox.demo.story import Story

BETWEEN_LINES = 10  # seconds between two lines of progress where nothing can be written over
MOST_ROWS = 10  # of one unit of a figure
WIDTH = 110  # characters of a line where nobody says how many there are


def console() -> Console:
    """Standard output; what has no terminal gets lines of a fixed width."""
    plain = Console(highlight=False)
    return plain if plain.is_terminal else Console(highlight=False, width=WIDTH)


class Screen:
    """Tells what goes on, in steps.

    Args:
        console: where to.
        steps: how many there will be.
        clock: seconds, for how often a line of progress is due.
    """

    def __init__(self, console: Console, steps: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._steps = steps
        self._step = 0
        self._clock = clock

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._step += 1
        self._console.print()
        self._print(Text.assemble((f"[{self._step}/{self._steps}] ", "cyan"), (title, "bold")))

    def say(self, sentence: str) -> None:
        """One line below the step."""
        self._print(Text(f"  {sentence}"))

    def pause(self) -> None:
        """An empty line."""
        self._console.print()

    @contextmanager
    def working(self, what: str) -> Iterator[Callable[[str], None]]:
        """Something that takes its time; the function that it gives takes the news."""
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
            with Progress(*columns, console=self._console, transient=True) as progress:
                task = progress.add_task(what)
                yield lambda news: progress.update(task, description=f"{what}: {news}")
            return
        self.say(f"{what} …")
        told = self._clock()

        def tell(news: str) -> None:
            nonlocal told
            if self._clock() - told >= BETWEEN_LINES:
                told = self._clock()
                self.say(f"… {news}")

        yield tell

    def moved(self, story: Story) -> None:
        """How many rows moved, by stream, pipe and run."""
        places = [head for place in story.passages for head in (f"{place}: 1st", "2nd")]
        table = _table("Rows that moved", ["Stream", "Looks at"], places)
        for stream in story.streams:
            key = stream in story.replication_keys
            table.add_row(
                stream,
                "changes" if key else "all rows",
                *(f"{rows:,}" for rows in story.moved(stream)),
                style="" if key else "dim",
            )
        table.add_section()
        table.add_row("all", "", *(f"{rows:,}" for rows in story.moved_in_all()), style="bold")
        self._show(table)

    def looker(self, story: Story) -> None:
        """What Looker was asked after each load of the warehouse."""
        if not story.looker:
            return
        table = _table("What Looker was told", ["Load", "Call", "Quota"], ["Answer"])
        for call in story.looker:
            quota = "-" if call.quota == "none" else call.quota
            table.add_row(str(call.run), Text(call.sentence), quota, str(call.status))
        self._show(table)

    def figures(self, story: Story) -> None:
        """The three figures."""
        for figure in FIGURES:
            self._show(_figure(story, figure))

    def agreement(self, story: Story) -> None:
        """What each figure adds up to, place by place."""
        table = _table("The same in every place", ["Figure", "In"], list(story.reports))
        told = None
        for total in totals(story):
            amounts = (money(amount) for amount in total.amounts.values())
            head = "" if total.figure is told else total.figure.subject
            table.add_row(head, Text(story.unit_name(total.figure, total.unit)), *amounts)
            told = total.figure
        self._show(table)

    def ending(self, title: str, settings: Iterable[tuple[Iterable[str], str]]) -> None:
        """What comes next: a title, and names of settings with what belongs there."""
        table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False)
        for names, what in settings:
            table.add_row(Text("\n".join(names), "cyan"), Text(what))
        self._show(table)

    def commands(self, lines: Iterable[str]) -> None:
        """What to type then."""
        self._print(Text("then"))
        for line in lines:
            self._print(Text(f"  {line}", "cyan"))

    def _show(self, table: Table) -> None:
        self._console.print()
        self._console.print(table)

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)


def _table(title: str, texts: Iterable[str], numbers: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, show_edge=False)
    for head in texts:
        table.add_column(head, overflow="fold")
    for head in numbers:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _figure(story: Story, figure: Figure) -> Table:
    table = _table(figure.title, [figure.columns[figure.unit], "", ""], ["Amount"])
    for unit, groups in units(figure, story.report[figure.name]).items():
        found = bars(figure, groups)
        for bar in found if figure is OUTSTANDING else largest(found, MOST_ROWS):
            note = due(bar.note, story.today) if figure is OUTSTANDING else bar.note
            table.add_row(Text(story.unit_name(figure, unit)), Text(bar.label), Text(note), money(bar.amount))
        total = Text(money(sum(groups.values(), Decimal())), "bold")
        table.add_row("", Text("total", "bold"), "", total, end_section=True)
    return table
