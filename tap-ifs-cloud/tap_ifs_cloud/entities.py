"""The catalogue: one row for each stream that comes built in, and how a configuration adds to it or overrides it.

IFS publishes no list of projections, and names differ between releases and tenants. Each row therefore says how sure its name
is, and everything in it can be overridden by an item of the setting ``entities``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from ifs_bi_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Sureness = Literal["seen", "claimed", "guessed", "configured"]
"""How sure a row's names are.

seen: read in the API of real tenants. claimed: one public voice says so. guessed: follows IFS's naming pattern from a known
logical unit. configured: the user's own.
"""


@dataclass(frozen=True)
class Entity:
    """What one stream reads.

    Attributes:
        name: of the stream.
        projection: projection or entity service, without ``.svc``.
        entity_set: the collection in it.
        endpoint: main | int | b2b.
        service: projection | entity.
        key: properties that identify a row; empty: the key of ``$metadata``.
        modified: a filterable timestamp or date that moves with every change, if there is one.
        replication: auto | timestamp | row_version | full. ``auto`` is timestamp where ``modified`` exists on the tenant, else
            row_version where rows carry ETags, else full.
        company: the property that the setting ``companies`` scopes; None: not scoped.
        filter: an OData filter that every request carries.
        select: properties to read; empty: all.
        expand: single-valued references to read along, as objects.
        delete_guard_percent: instead of the setting of that name.
        booleans: texts that say ``TRUE`` or ``FALSE`` and are written as booleans; all others stay texts.
        logical_unit: as the history log names it; None: what the rows say (``luname``).
        stages: of a stream that joins others: in the order in which a row passes through them, the value of the column ``stage``
            and the entity whose set holds the rows of that stage. Such a stream has no set of its own.
        sure: how sure the names are.
    """

    name: str
    projection: str
    entity_set: str
    endpoint: str = "main"
    service: str = "projection"
    key: tuple[str, ...] = ()
    modified: str | None = None
    replication: str = "auto"
    company: str | None = None
    filter: str | None = None
    select: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    delete_guard_percent: float | None = None
    logical_unit: str | None = None
    booleans: tuple[str, ...] = ()
    stages: tuple[tuple[str, str], ...] = ()
    sure: Sureness = "configured"

    @property
    def where(self) -> str:
        """The entity set for a person: ``PurchaseOrderHandling.svc/PurchaseOrderSet (main)``; of joined streams their names."""
        if self.stages:
            return " and ".join(name for _, name in self.stages)
        return f"{self.projection}.svc/{self.entity_set} ({self.endpoint})"

    @property
    def has_etag(self) -> bool:
        """Lists of values (``Reference_…``, ``Lookup_…``) carry no ETag; everything else does."""
        return not self.entity_set.startswith(("Reference_", "Lookup_"))


def _service(lu: str, **facts: Any) -> dict[str, Any]:
    """The entity service of a logical unit, named by IFS's pattern: ``<Lu>Entity.svc/<Lu>Set``, on /int."""
    return {"projection": f"{lu}Entity", "entity_set": f"{lu}Set", "endpoint": "int", "service": "entity", **facts}


_VOUCHER_ROW = ("Company", "VoucherType", "AccountingYear", "VoucherNo", "RowNo")

BUILT_IN: tuple[Entity, ...] = (
    Entity("companies", "CompanyHandling", "CompanySet", company="Company", sure="seen"),
    Entity("sites", "SitesHandling", "SiteSet", company="Company", sure="seen"),
    Entity("currencies", "CompanyHandling", "Lookup_IsoCurrency_EntitySet", key=("Id",), sure="seen"),
    Entity("suppliers", "SupplierHandling", "SupplierInfoSet", sure="claimed"),
    Entity("customers", "CustomerHandling", "CustomerInfoSet", sure="seen"),
    Entity(
        "purchase_orders",
        "PurchaseOrderHandling",
        "PurchaseOrderSet",
        modified="ChangedDate",
        company="Company",
        sure="seen",
    ),
    Entity("purchase_order_lines", **_service("PurchaseOrderLine", modified="LastActivityDate"), sure="claimed"),
    Entity("supplier_invoices", **_service("ManSuppInvoice", company="Company"), sure="guessed"),
    Entity("supplier_invoice_postings", **_service("PostingProposal", company="Company"), sure="guessed"),
    Entity("customer_orders", "CustomerOrderHandling", "CustomerOrderSet", company="Company", sure="seen"),
    Entity("customer_order_lines", "CustomerOrderHandling", "CustomerOrderLineSet", company="Company", sure="seen"),
    Entity("gl_accounts", **_service("Account", company="Company"), sure="claimed"),
    Entity("account_groups", "AccountGroupsHandling", "AccountGroupSet", company="Company", sure="guessed"),
    # What roll-ups climb: values that accounts are marked with, and trees whose leaves are accounts or other code part values.
    Entity("account_attributes", **_service("AccountingAttribute", company="Company"), sure="guessed"),
    Entity("account_attribute_values", **_service("AccountingAttributeValue", company="Company"), sure="guessed"),
    Entity("account_attribute_connections", **_service("AccountingAttributeCon", company="Company"), sure="guessed"),
    Entity("account_structures", **_service("AccountingStructure", company="Company"), sure="guessed"),
    Entity("account_structure_items", **_service("AccountingStructureItem", company="Company"), sure="guessed"),
    Entity("code_parts", **_service("AccountingCodePart", company="Company"), sure="guessed"),
    Entity("code_part_values", **_service("AccountingCodePartValue", company="Company"), sure="guessed"),
    # Two stages of one thing: "Update GL" moves a voucher's rows from the hold table to the general ledger.
    # So it is no surprise that most of the rows in hold are gone from one day to the next.
    Entity(
        "vouchers",
        "VoucherRowsAnalysis",
        "VoucherRowSet",
        key=_VOUCHER_ROW,
        company="Company",
        delete_guard_percent=100,
        sure="seen",
    ),
    Entity(
        "gl_voucher_rows",
        **_service("GenLedVoucherRow", key=_VOUCHER_ROW, modified="Rowversion", company="Company"),
        sure="guessed",
    ),
    # Both stages as one thing: here a voucher's row is there all the time, and `stage` says where.
    Entity(
        "journal_entries",
        "",
        "",
        company="Company",
        stages=(("hold", "vouchers"), ("general_ledger", "gl_voucher_rows")),
        sure="guessed",
    ),
    Entity("payments", **_service("PaymentTransaction", company="Company"), sure="guessed"),
    Entity("ledger_items", **_service("LedgerItem", company="Company"), sure="guessed"),
)


def catalogue(items: Iterable[Mapping[str, Any]]) -> dict[str, Entity]:
    """The built-in entities with those of the setting ``entities`` added or laid over them, by stream name.

    Raises:
        ConfigError: an item lacks a name, or a new one lacks projection or entity_set.
    """
    known = {entity.name: entity for entity in BUILT_IN}
    lists = {"key", "select", "expand", "booleans"}
    may_be_none = {field.name for field in fields(Entity) if field.default is None}
    allowed = {field.name for field in fields(Entity)} - {"sure", "stages"}
    for number, item in enumerate(items):
        name = item.get("name")
        if not name:
            raise ConfigError(f"entities[{number}] has no name. Give it the name that its stream shall have.")
        unknown = set(item) - allowed
        if unknown:
            raise ConfigError(
                f"entities[{number}] ({name}) has {', '.join(sorted(unknown))}, which is no setting of an entity. "
                f"There are {', '.join(sorted(allowed))}."
            )
        said = {key: value for key, value in item.items() if value is not None or key in may_be_none}
        facts: dict[str, Any] = {key: tuple(value) if key in lists else value for key, value in said.items()}
        if name in known:
            if {"projection", "entity_set"} <= facts.keys():
                facts["stages"] = ()  # a set of its own instead of those it joins
            known[name] = replace(known[name], **facts, sure="configured")
        elif "projection" in facts and "entity_set" in facts:
            known[name] = Entity(**facts)
        else:
            raise ConfigError(
                f"entities[{number}] ({name}) is not built in, so it needs projection and entity_set. "
                f"Built in are {', '.join(known)}."
            )
    return known
