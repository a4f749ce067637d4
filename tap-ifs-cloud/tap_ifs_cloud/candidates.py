"""Where else a built-in entity may be: names that IFS publishes nowhere, in the order of their likelihood.

A tenant that lacks the first one is asked for the next. All names here have some basis in public material: the projection is
known and the set follows IFS's pattern (guessed), the set was named by one public voice (claimed), or both were read on real
tenants (seen). A set that holds a part of the rows alone (purchase order lines with a part, say) is no candidate: half of the
rows under the name of all would be worse than none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tap_ifs_cloud.entities import BUILT_IN

if TYPE_CHECKING:
    from tap_ifs_cloud.entities import Entity, Sureness


class Place(NamedTuple):
    """One entity set of one projection or entity service.

    Attributes:
        projection: projection or entity service, without ``.svc``.
        entity_set: the collection in it.
        endpoint: main | int | b2b.
        service: projection | entity.
        sure: how sure the names are.
    """

    projection: str
    entity_set: str
    endpoint: str = "main"
    service: Literal["projection", "entity"] = "projection"
    sure: Sureness = "guessed"


def _unit(lu: str, entity_set: str | None = None, sure: Sureness = "guessed") -> Place:
    """The entity service of a logical unit, by IFS's pattern."""
    return Place(f"{lu}Entity", entity_set or f"{lu}Set", "int", "entity", sure)


CANDIDATES: dict[str, tuple[Place, ...]] = {
    "suppliers": (
        Place("SuppliersHandling", "SupplierInfoGeneralSet", sure="claimed"),
        _unit("SupplierInfo"),
    ),
    "purchase_order_lines": (Place("PurchaseOrderHandling", "PurchaseOrderLineSet"),),
    "supplier_invoices": (
        Place("ManSuppInvoiceHandling", "ManSuppInvoiceSet"),
        Place("SupplierInvoiceHandling", "ManSuppInvoiceSet"),
        _unit("IncomingInvoice"),
    ),
    "supplier_invoice_postings": (Place("ManSuppInvoiceHandling", "PostingProposalSet"),),
    "payments": (Place("MixedPaymentHandling", "PaymentTransactionSet"),),
    "ledger_items": (_unit("InvoiceLedgerItem"),),
    "gl_accounts": (
        Place("AccountHandling", "AccountSet"),
        Place("VoucherRowsAnalysis", "Reference_Account", sure="seen"),  # without ETags and most fields
    ),
    "account_groups": (_unit("AccountGroup"),),
    "code_parts": (_unit("AccountingCodeParts"),),
    "code_part_values": (Place("CodePartValuesHandling", "AccountingCodePartValueSet"),),
    "gl_voucher_rows": (
        Place("GlVoucherRowsAnalysis", "GenLedVoucherRowSet"),
        Place("GlVoucherRowsAnalysis", "GlVoucherRowSet"),
    ),
}
"""By stream: the places to look at after the one that the catalogue names first."""

_SEARCH = {
    "companies": "company",
    "sites": "site",
    "currencies": "currency",
    "suppliers": "supplier",
    "customers": "customer",
    "purchase_orders": "purchase",
    "purchase_order_lines": "purchase",
    "supplier_invoices": "invoice",
    "supplier_invoice_postings": "posting",
    "customer_orders": "customer",
    "customer_order_lines": "customer",
    "gl_accounts": "account",
    "account_groups": "account",
    "account_attributes": "attribute",
    "account_attribute_values": "attribute",
    "account_attribute_connections": "attribute",
    "account_structures": "structure",
    "account_structure_items": "structure",
    "code_parts": "code",
    "code_part_values": "code",
    "vouchers": "voucher",
    "gl_voucher_rows": "voucher",
    "journal_entries": "voucher",
    "payments": "payment",
    "ledger_items": "ledger",
}
"""By stream: what finds its projection among those of a tenant."""


def candidates(entity: Entity) -> list[Entity]:
    """The entity at each place where a tenant may have it, the likeliest first; at its own alone where a user named that."""
    own = next((one for one in BUILT_IN if one.name == entity.name), None)
    if own is None or (place_of(own), own.entity_set) != (place_of(entity), entity.entity_set):
        return [entity]
    return [entity, *(_at(entity, place) for place in CANDIDATES.get(entity.name, ()))]


def how_to_find(entity: Entity) -> str:
    """The commands that find the right name, as a sentence."""
    word = _SEARCH.get(entity.name) or entity.name.partition("_")[0]
    return (
        f"Find the right one with `ifs-bi projections --search {word}` and `ifs-bi entities PROJECTION`, and name it in "
        f"`entities`."
    )


def place_of(entity: Entity) -> tuple[str, str, str]:
    """Projection, endpoint and kind of service of an entity."""
    return entity.projection, entity.endpoint, entity.service


def _at(entity: Entity, place: Place) -> Entity:
    facts: dict[str, Any] = place._asdict()
    if entity.sure == "configured":
        del facts["sure"]
    return replace(entity, **facts)
