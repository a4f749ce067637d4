"""All that one demo found out: what the terminal and the page tell. Values, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ifs_bi_sandbox.demo.figures import FIGURES, OPEN_ORDERS, OUTSTANDING, units
from ifs_bi_sandbox.demo.meltano import TAP
from ifs_bi_sandbox.demo.wording import month_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from ifs_bi_sandbox.demo.figures import Company, Figure, Groups, Report
    from ifs_bi_sandbox.demo.meltano import Passage

SOURCE, WAREHOUSE, POWER_BI = "IFS Cloud", "Warehouse", "Power BI"
PLACES = {WAREHOUSE: "target-looker-warehouse", POWER_BI: "target-powerbi"}
"""Where the pipes lead, and through which target."""

REAL_SYSTEMS = (
    (("IFS_BASE_URL", "IFS_REALM"), "address of your IFS Cloud, and the realm (namespace) of its Keycloak"),
    (("IFS_CLIENT_ID", "IFS_CLIENT_SECRET"), "an IAM client with a service account that may read the projections"),
    (
        ("POWERBI_TENANT_ID", "POWERBI_CLIENT_ID", "POWERBI_CLIENT_SECRET"),
        "an app registration of your Microsoft Entra tenant",
    ),
    (
        ("POWERBI_WORKSPACE_ID", "POWERBI_DATASET_NAME"),
        "a workspace in which its service principal is a Contributor, and a name for the push dataset",
    ),
    (("WAREHOUSE_URL",), "the warehouse: duckdb:///warehouse.duckdb is a file beside meltano.yml"),
)
"""What .env has to say for real systems: names of variables, and what belongs there."""

EVENTS = {
    "new_purchase_order": ("purchase order was placed", "purchase orders were placed"),
    "change_purchase_order_line": ("order line got another price", "order lines got another price"),
    "receive_purchase_order": ("purchase order arrived", "purchase orders arrived"),
    "new_supplier_invoice": ("supplier invoice came in", "supplier invoices came in"),
    "close_purchase_order": ("purchase order was closed", "purchase orders were closed"),
    "cancel_purchase_order": ("purchase order was cancelled", "purchase orders were cancelled"),
    "new_customer_order": ("customer order was placed", "customer orders were placed"),
    "delete_customer_order": ("customer order was deleted", "customer orders were deleted"),
    "rename_supplier": ("supplier got another name", "suppliers got another name"),
    "post_vouchers": ("posting of all vouchers in hold", "postings of all vouchers in hold"),
    "pay_invoice": ("supplier invoice was paid", "supplier invoices were paid"),
}
"""What happens on a day of business, by the sandbox's name of it: once, and several times."""


LOOKER_CALLS = {
    "login": "signed in",
    "test_connection": "tests of connection {about} ran",
    "create_sql_query": "a query for the row counts of the changed tables was made",
    "run_sql_query": "it ran in the warehouse, over Looker's connection",
    "datagroups": "datagroups were listed, for their ids",
    "update_datagroup": "datagroup {about} was triggered: what is cached is stale",
    "start_pdt_build": "derived table {about} is built",
    "scheduled_plan_run_once_by_id": "report {about} was sent out",
}
"""What a load asks of Looker, by the operation's name in Looker's specification."""


@dataclass(frozen=True)
class LookerCall:
    """One call that a load made to Looker.

    Attributes:
        run: of the warehouse's pipe, from 1.
        operation: its name in Looker's specification.
        about: the connection, datagroup, table or plan.
        quota: which calls of an edition it counts among: ``admin``, ``query`` or ``none``.
        status: of the answer.
    """

    run: int
    operation: str
    about: str
    quota: str
    status: int

    @property
    def sentence(self) -> str:
        """What was done."""
        return LOOKER_CALLS.get(self.operation, self.operation).format(about=self.about)


@dataclass(frozen=True)
class Story:
    """One demo.

    Attributes:
        today: the business day.
        made: when the demo ran.
        scale: of the sandbox's data.
        seed: of the sandbox's data.
        reports: the three figures by place; the source's is the one to agree with.
        companies: the legal entities by code.
        passages: by place, the first run of its pipe and the one after the changes.
        replication_keys: by stream, for those that go on from a bookmark.
        changes: how often each thing happened in the source between the two runs.
        meltano: how to call Meltano in the folder of the clone.
        looker: what the loads of the warehouse asked of Looker, in order.
    """

    today: date
    made: datetime
    scale: int
    seed: int
    reports: Mapping[str, Report]
    companies: Mapping[str, Company]
    passages: Mapping[str, tuple[Passage, Passage]]
    replication_keys: Mapping[str, str]
    changes: Mapping[str, int]
    meltano: str
    looker: Sequence[LookerCall] = ()

    @property
    def report(self) -> Report:
        """The figures, which are the same in every place."""
        return self.reports[SOURCE]

    @property
    def streams(self) -> list[str]:
        """The streams that moved rows: those that go on from a bookmark first."""
        names = {stream for runs in self.passages.values() for run in runs for stream in run.rows}
        return sorted(names, key=lambda stream: (stream not in self.replication_keys, stream))

    @property
    def commands(self) -> list[str]:
        """What to type for real systems."""
        runs = [f"{self.meltano} --environment=prod run {TAP} {target}" for target in PLACES.values()]
        return [f"{self.meltano} install", *runs]

    def moved(self, stream: str) -> list[int]:
        """Rows of a stream by place: first run, second run."""
        return [run.rows.get(stream, 0) for runs in self.passages.values() for run in runs]

    def moved_in_all(self) -> list[int]:
        """The same of all streams."""
        return [run.total for runs in self.passages.values() for run in runs]

    def unit_name(self, figure: Figure, unit: str) -> str:
        """What amounts of a figure are comparable within: a currency, or a company with its currency."""
        if figure.columns[figure.unit] == "Currency" or unit not in self.companies:
            return unit
        company = self.companies[unit]
        return f"{company.name}, {company.currency}"


@dataclass(frozen=True)
class Bar:
    """One amount to show, and what it is of.

    Attributes:
        label: name of the supplier, cost centre or month.
        note: its code; of a month YYYY-MM.
        amount: in the currency of the chart or table.
        together: the amount is of several that are not shown one by one.
    """

    label: str
    note: str
    amount: Decimal
    together: bool = False


@dataclass(frozen=True)
class Total:
    """The sum of one unit of a figure in each place."""

    figure: Figure
    unit: str
    amounts: Mapping[str, Decimal]


def events(changes: Mapping[str, int]) -> list[tuple[int, str]]:
    """What happened in the source: how often, and what."""
    named = ((times, *EVENTS.get(change, (change, change))) for change, times in changes.items() if times)
    return [(times, one if times == 1 else more) for times, one, more in named]


def totals(story: Story) -> list[Total]:
    """What each figure adds up to, in each place."""
    return [
        Total(
            figure,
            unit,
            {
                place: sum(units(figure, report[figure.name]).get(unit, {}).values(), Decimal())
                for place, report in story.reports.items()
            },
        )
        for figure in FIGURES
        for unit in units(figure, story.report[figure.name])
    ]


def bars(figure: Figure, groups: Groups) -> list[Bar]:
    """The groups of one unit as a chart or a table shows them: due months in their order, all else by size."""
    if figure is OUTSTANDING:
        return [Bar(month_name(month), month, amount) for (month, _), amount in groups.items()]
    first = 0 if figure is OPEN_ORDERS else 1  # of a code and its name
    found = [
        Bar(group[first + 1] or group[first] or "(none)", group[first], amount) for group, amount in groups.items()
    ]
    return sorted(found, key=lambda bar: (-bar.amount, bar.note))


def largest(bars: list[Bar], most: int) -> list[Bar]:
    """The first bars, and one for all others together when there are more."""
    if len(bars) <= most + 1:
        return bars
    rest = bars[most:]
    total = sum((bar.amount for bar in rest), Decimal())
    return [*bars[:most], Bar(f"{len(rest):,} others", "", total, together=True)]
