"""What IFS Cloud exposes of the group itself: companies, sites, currencies, suppliers and customers."""

from __future__ import annotations

from dataclasses import replace

from ifs_bi_sandbox.data.model import EntitySet, EnumType, Projection
from ifs_bi_sandbox.data.properties import amount, choice, day, decimal, flag, integer, text

COUNTRY = EnumType("IsoCountry", ("Sweden", "Finland", "Germany", "France", "UnitedStates"))
LANGUAGE = EnumType("IsoLanguage", ("Swedish", "Finnish", "German", "French", "English"))
PARTY = EnumType("PartyType", ("Company", "Customer", "Supplier", "Employee"))
SUPPLIER_CATEGORY = EnumType("SupplierInfoCategory", ("Supplier", "Prospect"))
CUSTOMER_CATEGORY = EnumType("CustomerCategory", ("Customer", "Prospect", "EndCustomer"))
RATING = EnumType("CfEnumEsgRating", ("CfEnum_A", "CfEnum_B", "CfEnum_C"))

COMPANIES = EntitySet(
    projection="CompanyHandling",
    name="CompanySet",
    entity_type="Company",
    table="company",
    key=("Company",),
    logical_unit="Company",
    company="Company",
    properties=(
        *text(20, "Company", required=True),
        *text(100, "Name", required=True),
        *text(50, "AssociationNo", "CorporateForm", "DomainId", "TemplateCompany"),
        *choice("IsoCountry", "Country"),
        *text(2, "CountryDb"),
        *choice("IsoLanguage", "DefaultLanguage"),
        *choice("PartyType", "PartyType"),
        *day("CreationDate"),
        *text(
            3, "CurrencyCode", "ParallelAccCurrency"
        ),  # of CompanyFinance; here so that reports know what amounts are in
        *flag("MasterCompanyDb"),
        *text(50, "LogotypeText", "IdentifierReference"),
    ),
)

CURRENCIES = EntitySet(
    projection="CompanyHandling",
    name="Lookup_IsoCurrency_EntitySet",
    entity_type="Lookup_IsoCurrency_Entity",
    table="iso_currency",
    key=("Id",),
    logical_unit="IsoCurrency",
    has_etag=False,
    properties=(*text(3, "Id", required=True), *text(100, "Description")),
)

RATES = EntitySet(
    projection="CurrencyRatesHandling",
    name="CurrencyRateSet",
    entity_type="CurrencyRate",
    table="currency_rate",
    key=("Company", "CurrencyType", "CurrencyCode", "ValidFrom"),
    logical_unit="CurrencyRate",
    company="Company",
    properties=(
        *text(20, "Company", required=True),
        *text(10, "CurrencyType", required=True),
        *text(3, "CurrencyCode", "RefCurrencyCode", required=True),
        *day("ValidFrom", required=True),
        *decimal(10, "CurrencyRate", show_scale=False, required=True),
        *integer("ConvFactor", required=True),
    ),
)

SITES = EntitySet(
    projection="SitesHandling",
    name="SiteSet",
    entity_type="Site",
    table="site",
    key=("Contract",),
    logical_unit="Site",
    company="Company",
    properties=(
        *text(5, "Contract", required=True),
        *text(20, "Company", required=True),
        *text(100, "Description"),
        *text(50, "DeliveryAddress", "DocumentAddress", "DistCalendarId", "ManufCalendarId", "DataCaptureMenuId"),
        *text(50, "TimeZoneCode", "RegionCode", "Branch"),
        *decimal(2, "Offset", show_scale=False),  # hours
        *day("LastPeriodicWADate"),
        *flag("CustomerOrderReportsConditionCodeDisplay", "PurchaseOrderReportsConditionCodeDisplay"),
        *flag("DefaultSOReceiptinBackground"),
        *text(20, "InternalCustomer", "InternalSupplier"),
        *text(2, "CountryCode"),
    ),
)

SUPPLIERS = EntitySet(
    projection="SupplierHandling",
    name="SupplierInfoSet",
    entity_type="SupplierInfo",
    table="supplier_info",
    key=("SupplierId",),
    logical_unit="SupplierInfo",
    properties=(
        *text(20, "SupplierId", required=True),
        *text(100, "Name", required=True),
        *text(50, "AssociationNo", "CorporateForm", "DefaultDomain", "IdentifierReference", "BusinessClassification"),
        *choice("IsoCountry", "Country"),
        *text(2, "CountryDb"),
        *choice("IsoLanguage", "DefaultLanguage"),
        *choice("PartyType", "PartyType"),
        *choice("SupplierInfoCategory", "SupplierCategory"),
        *day("CreationDate", "DateOfRegistration"),
        *flag("OneTime", "B2bSupplier"),
        *integer("PictureId"),
        *choice("CfEnumEsgRating", "Cf_EsgRating"),
    ),
)

# The other page's list of the same suppliers; public sources disagree on which of the two a tenant grants.
SUPPLIERS_GENERAL = replace(
    SUPPLIERS, projection="SuppliersHandling", name="SupplierInfoGeneralSet", entity_type="SupplierInfoGeneral"
)

CUSTOMERS = EntitySet(
    projection="CustomerHandling",
    name="CustomerInfoSet",
    entity_type="CustomerInfo",
    table="customer_info",
    key=("CustomerId",),
    logical_unit="CustomerInfo",
    properties=(
        *text(20, "CustomerId", required=True),
        *text(100, "Name", required=True),
        *text(50, "AssociationNo", "CorporateForm", "DefaultDomain", "MainRepresentative", "CustomerTaxUsageType"),
        *choice("CustomerCategory", "CustomerCategory"),
        *choice("IsoCountry", "Country"),
        *text(2, "CountryCode"),
        *choice("IsoLanguage", "DefaultLanguage"),
        *choice("PartyType", "PartyType"),
        *text(50, "IdentifierRefValidation"),
        *day("CreationDate"),
        *flag("OneTime", "B2bCustomer"),
        *amount("Cf_CreditLimit", precision=15),
    ),
)

PARTY_ENUMS = (COUNTRY, LANGUAGE, PARTY)

PROJECTIONS = (
    Projection("CompanyHandling", "Standard", "Companies", (COMPANIES, CURRENCIES), PARTY_ENUMS),
    Projection("CurrencyRatesHandling", "Standard", "Currency rates of a company", (RATES,)),
    Projection("SitesHandling", "Standard", "Sites", (SITES,)),
    Projection("SupplierHandling", "Premium", "Suppliers", (SUPPLIERS,), (*PARTY_ENUMS, SUPPLIER_CATEGORY, RATING)),
    Projection(
        "SuppliersHandling",
        "Standard",
        "Suppliers overview",
        (SUPPLIERS_GENERAL,),
        (*PARTY_ENUMS, SUPPLIER_CATEGORY, RATING),
    ),
    Projection("CustomerHandling", "Premium", "Customers", (CUSTOMERS,), (*PARTY_ENUMS, CUSTOMER_CATEGORY)),
)
