"""The report as one HTML page that asks nobody for anything: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from decimal import Decimal
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from ifs_bi_sandbox.demo.charts import PATTERN, bar_chart, month_chart
from ifs_bi_sandbox.demo.figures import FIGURES, OUTSTANDING, SPEND, units
from ifs_bi_sandbox.demo.story import REAL_SYSTEMS, SOURCE, bars, events, largest, totals
from ifs_bi_sandbox.demo.wording import count, day_name, due, money, months_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ifs_bi_sandbox.demo.figures import Figure, Groups
    from ifs_bi_sandbox.demo.story import Story

MOST_BARS = 12  # of one chart; the table has all of them
LONG_TABLE = 45  # rows from which a table scrolls by itself
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(story: Story) -> str:
    """The whole page."""
    groups = sum(len(story.report[figure.name]) for figure in FIGURES)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>IFS Cloud in the warehouse and in Power BI</title>
<link rel="icon" href="data:,">
<style>
{files("ifs_bi_sandbox.demo").joinpath("page.css").read_text(encoding="utf-8")}</style>
</head>
<body>
{PATTERN}
<header>
<h1>IFS Cloud in the warehouse and in Power BI</h1>
<p class="lead">Three figures of a company group on {day_name(story.today)}, computed from what two pipes delivered.</p>
<p class="verdict"><span aria-hidden="true">✓</span> All {groups} amounts are the same in IFS Cloud, the warehouse and
Power BI, to the cent</p>
</header>
<main>
<div class="tiles">
{"".join(_tile(story, figure) for figure in FIGURES)}</div>
{"".join(_figure(story, figure) for figure in FIGURES)}
{_agreement(story)}
{_changes(story)}
{_moved(story)}
{_looker(story)}
{_next_steps(story)}
</main>
<footer><p>Made by <code>ifs-bi-sandbox demo</code> on {day_name(story.made)} at {story.made:%H:%M} UTC from generated data: scale
{story.scale}, seed {story.seed}. No name and no amount on this page is real.</p></footer>
</body>
</html>
"""


def _tile(story: Story, figure: Figure) -> str:
    """What a figure adds up to, as a way to it."""
    sums = "".join(
        f"<dt>{escape(story.unit_name(figure, unit))}</dt><dd>{money(sum(groups.values(), Decimal()))}</dd>"
        for unit, groups in units(figure, story.report[figure.name]).items()
    )
    return f'<a href="#{figure.name}"><h2>{escape(figure.subject)}</h2><dl>{sums}</dl></a>\n'


def _figure(story: Story, figure: Figure) -> str:
    """One figure: a chart for each unit at the left, all numbers at the right."""
    apart = units(figure, story.report[figure.name])
    charts = "".join(_panel(story, figure, number, *item) for number, item in enumerate(apart.items()))
    legend = _LEGEND if figure is OUTSTANDING else ""
    return f"""<section id="{figure.name}" aria-labelledby="{figure.name}-head">
<h2 id="{figure.name}-head">{escape(figure.title)}</h2>
<p class="soft">{escape(figure.definition)}</p>
<div class="split"><figure>{legend}{charts}
<figcaption>Each chart has a scale of its own: amounts of different currencies are neither compared nor added up.</figcaption>
</figure>
{_numbers(story, figure)}</div>
</section>
"""


_LEGEND = (
    '<ul class="legend">'
    + "".join(
        f'<li class="key {kind}"><svg width="14" height="14" aria-hidden="true"><rect class="fill" x="1" y="1" width="12" '
        f'height="12" rx="2"/></svg>{words}</li>'
        for kind, words in (("overdue", "overdue"), ("this-month", "due this month"), ("later", "due later"))
    )
    + "</ul>"
)


def _panel(story: Story, figure: Figure, number: int, unit: str, groups: Groups) -> str:
    name = story.unit_name(figure, unit)
    found = bars(figure, groups)
    identity, title = f"{figure.name}-{number}", f"{figure.title}, {name}"
    if figure is OUTSTANDING:
        due_in = [month for month, _ in story.report[figure.name]]
        chart = month_chart(identity, title, found, list(months_between(min(due_in), max(due_in))), story.today)
    else:
        chart = bar_chart(identity, title, largest(found, MOST_BARS))
    total = money(sum(groups.values(), Decimal()))
    return f'<div class="panel"><h3>{escape(name)} <small>total <b>{total}</b></small></h3>{chart}</div>\n'


def _numbers(story: Story, figure: Figure) -> str:
    """All groups of a figure with their amounts, and the total of each unit."""
    heads = {OUTSTANDING: ("Due in", "Status"), SPEND: ("Cost centre", "Code")}.get(figure, ("Supplier", "No."))
    rows: list[str] = []
    for unit, groups in units(figure, story.report[figure.name]).items():
        rows.append(
            f'<tr class="unit"><th scope="rowgroup" colspan="3">{escape(story.unit_name(figure, unit))}</th></tr>'
        )
        for bar in bars(figure, groups):
            note = due(bar.note, story.today) if figure is OUTSTANDING else bar.note
            rows.append(_row([bar.label, note], [money(bar.amount)]))
        rows.append(_row(["Total", ""], [money(sum(groups.values(), Decimal()))], "total"))
    return _table("All amounts", heads, ["Amount"], rows)


def _agreement(story: Story) -> str:
    """What each figure adds up to in each place."""
    rows: list[str] = []
    told = None
    for total in totals(story):
        if total.figure is not told:
            rows.append(_unit(total.figure.subject, 2 + len(total.amounts)))
            told = total.figure
        amounts = total.amounts.values()
        difference = max(abs(amount - total.amounts[SOURCE]) for amount in amounts)
        rows.append(_row([story.unit_name(total.figure, total.unit)], [money(each) for each in (*amounts, difference)]))
    table = _table("Totals in each place", ["In"], [*story.reports, "Difference"], rows)
    return f"""<section aria-labelledby="agreement"><h2 id="agreement">The same in every place</h2>
<p class="soft">IFS Cloud's amounts are added up row by row from its database, not by the pipes. In the warehouse
they are read from the views that its target keeps beside the tables; over the rows that Power BI holds, SQL over the tables was
run. Compared were all groups, not these totals alone.</p>
{table}</section>
"""


def _changes(story: Story) -> str:
    items = "".join(f"<li><b>{times}</b> {escape(what)}</li>" for times, what in events(story.changes))
    return f"""<section aria-labelledby="changes"><h2 id="changes">A day of business</h2>
<p class="soft">Both pipes ran, then this happened in IFS Cloud, and both ran again. The figures above are those of the
evening.</p>
<ul class="changes">{items}</ul></section>
"""


def _moved(story: Story) -> str:
    rows = []
    for stream in story.streams:
        key = story.replication_keys.get(stream)
        moved = [f"{rows:,}" for rows in story.moved(stream)]
        rows.append(_row([stream], moved, "" if key else "quiet", f"changes, by {key}" if key else ""))
    rows.append(_row(["All streams"], [f"{rows:,}" for rows in story.moved_in_all()], "total"))
    places = "".join(
        f'<th scope="colgroup" colspan="2" class="number">{escape(place)}</th>' for place in story.passages
    )
    runs = ["1st", "2nd"] * len(story.passages)
    seconds = "; ".join(
        f"{escape(place)} {first.seconds:.1f} s, then {second.seconds:.1f} s"
        for place, (first, second) in story.passages.items()
    )
    number = len(story.replication_keys)
    return f"""<section aria-labelledby="moved"><h2 id="moved">What moved</h2>
<p class="soft">Rows that the tap sent. {count(number, "stream goes", "streams go")} on from a bookmark: the second run asked for
what had changed since. Of the others it looked at all rows, at no more of them than keys and versions where they have some, and
sent what differed. A run took: {seconds}.</p>
{_table("Rows by stream and run of its pipe", ["Stream"], runs, rows, f"<tr><td></td>{places}</tr>")}</section>
"""


def _looker(story: Story) -> str:
    if not story.looker:
        return ""
    rows = [
        _row([f"{call.run}", call.sentence, "" if call.quota == "none" else call.quota], [str(call.status)])
        for call in story.looker
    ]
    return f"""<section aria-labelledby="looker"><h2 id="looker">What Looker was told</h2>
<p class="soft">Looker stores no rows: it queries the warehouse. After each load it was told that there is something new. Its
editions limit the calls of a month, so a run makes at most three besides the login, however many streams and rows it moves.</p>
{_table("Calls to Looker by load", ["Load", "Call", "Counts as"], ["Answer"], rows)}</section>
"""


def _next_steps(story: Story) -> str:
    settings = "".join(
        f"<dt>{' '.join(f'<code>{name}</code>' for name in names)}</dt><dd>{escape(what)}</dd>"
        for names, what in REAL_SYSTEMS
    )
    commands = "\n".join(story.commands)
    return f"""<section aria-labelledby="next"><h2 id="next">Your own systems</h2>
<p class="soft">Copy <code>.env.example</code> to <code>.env</code> in the folder of the clone and fill in:</p>
<dl class="settings">{settings}</dl>
<pre><code>{escape(commands)}</code></pre></section>
"""


def _table(caption: str, texts: Sequence[str], numbers: Sequence[str], rows: Sequence[str], above: str = "") -> str:
    """A table with columns of texts and of numbers; ``above`` is a row over its heads."""
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in texts)
    heads += "".join(f'<th scope="col" class="number">{escape(head)}</th>' for head in numbers)
    long = " long" if len(rows) > LONG_TABLE else ""
    label = escape(caption)
    return (
        f'<div class="wide{long}" tabindex="0" role="group" aria-label="{label}"><table><caption>{label}</caption>'
        f"<thead>{above}<tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _unit(name: str, columns: int) -> str:
    """A row that heads those below it."""
    return f'<tr class="unit"><th scope="rowgroup" colspan="{columns}">{escape(name)}</th></tr>'


def _row(texts: Sequence[str], numbers: Iterable[str], kind: str = "", remark: str = "") -> str:
    """A row with a class of its own, and a remark below its first text."""
    first, *others = texts
    below = f" <small>{escape(remark)}</small>" if remark else ""
    cells = f'<th scope="row">{escape(first).replace("_", "_<wbr>")}{below}</th>' + "".join(
        f"<td>{escape(text)}</td>" for text in others
    )
    cells += "".join(f'<td class="number">{number}</td>' for number in numbers)
    return f'<tr class="{kind}">{cells}</tr>' if kind else f"<tr>{cells}</tr>"
