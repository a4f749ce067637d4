"""The company group itself: legal entities, sites and currencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.business.chart import account_rows, code_part_rows
from ifs_bi_sandbox.data.business.money import MEAN_RATES, rate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from ifs_bi_sandbox.data.business.chart import Codes
    from ifs_bi_sandbox.data.values import Row


@dataclass(frozen=True)
class Country:
    """A country with the names that IFS Cloud's enums give to it and its language."""

    code: str
    name: str
    language: str
    language_code: str
    currency: str


COUNTRIES = {
    each.code: each
    for each in (
        Country("SE", "Sweden", "Swedish", "sv", "SEK"),
        Country("FI", "Finland", "Finnish", "fi", "EUR"),
        Country("DE", "Germany", "German", "de", "EUR"),
        Country("FR", "France", "French", "fr", "EUR"),
        Country("US", "UnitedStates", "English", "en", "USD"),
    )
}


@dataclass(frozen=True)
class Site:
    """A place that buys and sells; IFS Cloud calls its code Contract."""

    code: str
    description: str
    time_zone: str


@dataclass(frozen=True)
class Company:
    """A legal entity. ``tax`` is its domestic value-added tax in per cent."""

    code: str
    name: str
    country: Country
    tax: int
    sites: tuple[Site, ...]

    @property
    def currency(self) -> str:
        """The accounting currency."""
        return self.country.currency


COMPANIES = (
    Company(
        "10",
        "Nordvik Industri AB",
        COUNTRIES["SE"],
        25,
        (
            Site("S01", "Göteborg, tillverkning", "Europe/Stockholm"),
            Site("S02", "Luleå, service & lager", "Europe/Stockholm"),
        ),
    ),
    Company("20", "Nordvik Deutschland GmbH", COUNTRIES["DE"], 19, (Site("D01", "Köln, Vertrieb", "Europe/Berlin"),)),
)

CURRENCIES = {
    "SEK": "Swedish Krona",
    "EUR": "Euro",
    "USD": "US Dollar",
    "NOK": "Norwegian Krone",
    "DKK": "Danish Krone",
    "GBP": "Pound Sterling",
}


def group_rows(values: Codes, quarters: list[date]) -> Iterator[tuple[str, Row]]:
    """Table and row of everything that stands before the first order: companies, sites, accounts, code parts, rates.

    ``quarters`` are the first days of the quarters that need exchange rates.
    """
    for code, description in CURRENCIES.items():
        yield "iso_currency", {"Id": code, "Description": description}
    for company in COMPANIES:
        yield "company", _company_row(company)
        for site in company.sites:
            yield "site", _site_row(company, site)
        yield from account_rows(company, COMPANIES[0])
        yield from code_part_rows(company, values)
        yield from _rate_rows(company, quarters)


def _company_row(company: Company) -> Row:
    return {
        "Company": company.code,
        "Name": company.name,
        "AssociationNo": f"5560-{company.code}99",
        "TemplateCompany": "FALSE",
        "Country": company.country.name,
        "CountryDb": company.country.code,
        "DefaultLanguage": company.country.language,
        "PartyType": "Company",
        "CreationDate": "2019-01-01",
        "CurrencyCode": company.currency,
        "MasterCompanyDb": company is COMPANIES[0],
    }


def _site_row(company: Company, site: Site) -> Row:
    return {
        "Contract": site.code,
        "Company": company.code,
        "Description": site.description,
        "DeliveryAddress": "1",
        "DistCalendarId": "*",
        "ManufCalendarId": "*",
        "TimeZoneCode": site.time_zone,
        "Offset": "0.50" if site is company.sites[-1] else "0",
        "CustomerOrderReportsConditionCodeDisplay": False,
        "PurchaseOrderReportsConditionCodeDisplay": True,
        "CountryCode": company.country.code,
    }


def _rate_rows(company: Company, quarters: list[date]) -> Iterator[tuple[str, Row]]:
    for home, currency in MEAN_RATES:
        if home != company.currency:
            continue
        for quarter in quarters:
            yield (
                "currency_rate",
                {
                    "Company": company.code,
                    "CurrencyType": "1",
                    "CurrencyCode": currency,
                    "RefCurrencyCode": home,
                    "ValidFrom": quarter,
                    "CurrencyRate": rate(home, currency, quarter),
                    "ConvFactor": 1,
                },
            )
