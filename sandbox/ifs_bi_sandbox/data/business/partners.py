"""Suppliers and customers: who they are and what their rows look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.business.group import COUNTRIES, Country

if TYPE_CHECKING:
    from ifs_bi_sandbox.data.business.dice import Dice
    from ifs_bi_sandbox.data.business.group import Company
    from ifs_bi_sandbox.data.values import Row


@dataclass(frozen=True)
class Partner:
    """A supplier or a customer."""

    identity: str
    name: str
    country: Country

    @property
    def currency(self) -> str:
        """The currency it trades in."""
        return self.country.currency

    def tax(self, company: Company) -> int:
        """Value-added tax between the two, in per cent; across a border there is none."""
        return company.tax if self.country == company.country else 0


# Identities that people really enter, and that break whoever splices them into an address or a statement.
AWKWARD_SUPPLIERS = (
    ("O'NEILL", "O'Neill & Sons", "US"),
    ("A/B 50%", "A/B Halvfabrikat 50 %", "SE"),
    ("ÅKERLUND", "Åkerlund & Söner AB", "SE"),
    ("R&D #1", "R&D Partners #1", "DE"),
    ("C+C", "C+C Großhandel", "DE"),
    ("*LOCAL*", "Local purchases", "SE"),
    ("NORD SUPPLY", 'Nord "Supply" Oy', "FI"),
)
AWKWARD_CUSTOMERS = (
    ("L'ÉTOILE", "L'Étoile SARL", "FR"),
    ("50/50?", "Fifty/Fifty Ltd.", "US"),
    ("VÄST+ÖST", "Väst+Öst Förvaltning", "SE"),
    ("B&B = 1", "B&B Hydraulik", "DE"),
)

FIRST = ("Nord", "Stål", "Hydro", "Alpen", "Baltic", "Prisma", "Vega", "Lumen", "Orion", "Delta", "Fjord", "Rhein")
SECOND = ("teknik", "metall", "bearings", "pumps", "electric", "tools", "plast", "chemie", "logistik", "automation")
LEGAL_FORM = {"SE": "AB", "FI": "Oy", "DE": "GmbH", "FR": "SARL", "US": "Inc."}
SPREAD = ("SE", "SE", "SE", "DE", "DE", "FI", "FR", "US")  # where the others are


def suppliers(count: int, dice: Dice) -> tuple[Partner, ...]:
    """So many suppliers, the awkward ones among them."""
    return _partners(AWKWARD_SUPPLIERS, (count, 10001), dice)


def customers(count: int, dice: Dice) -> tuple[Partner, ...]:
    """So many customers, the awkward ones among them."""
    return _partners(AWKWARD_CUSTOMERS, (count, 50001), dice)


def supplier_row(partner: Partner, dice: Dice) -> Row:
    """The row of a supplier."""
    return {
        **_row(partner, dice),
        "SupplierId": partner.identity,
        "CountryDb": partner.country.code,
        "PartyType": "Supplier",
        "SupplierCategory": "Supplier",
        "OneTime": partner.identity == "*LOCAL*",
        "B2bSupplier": dice.chance(20),
        "Cf_EsgRating": dice.pick(("CfEnum_A", "CfEnum_B", "CfEnum_C", None)),
    }


def customer_row(partner: Partner, dice: Dice) -> Row:
    """The row of a customer."""
    return {
        **_row(partner, dice),
        "CustomerId": partner.identity,
        "CountryCode": partner.country.code,
        "PartyType": "Customer",
        "CustomerCategory": "Customer",
        "IdentifierRefValidation": "None",
        "OneTime": False,
        "B2bCustomer": dice.chance(30),
        "Cf_CreditLimit": dice.pick((None, dice.between(1, 50) * 10_000)),
    }


def _row(partner: Partner, dice: Dice) -> Row:
    return {
        "Name": partner.name,
        "AssociationNo": f"{dice.between(550000, 569999)}-{dice.between(1000, 9999)}",
        "Country": partner.country.name,
        "DefaultLanguage": partner.country.language,
        "CreationDate": f"{dice.between(2019, 2024)}-{dice.between(1, 12):02}-{dice.between(1, 28):02}",
    }


def _partners(awkward: tuple[tuple[str, str, str], ...], size: tuple[int, int], dice: Dice) -> tuple[Partner, ...]:
    count, first = size
    ordinary = [_ordinary(str(first + number), dice) for number in range(count - len(awkward))]
    known = [Partner(identity, name, COUNTRIES[country]) for identity, name, country in awkward]
    return tuple(known + ordinary)


def _ordinary(identity: str, dice: Dice) -> Partner:
    country = dice.pick(SPREAD)
    return Partner(identity, f"{dice.pick(FIRST)}{dice.pick(SECOND)} {LEGAL_FORM[country]}", COUNTRIES[country])
