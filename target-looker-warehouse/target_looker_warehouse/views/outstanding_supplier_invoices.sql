SELECT
    items."Company", items."InvoiceId", coalesce(invoices."InvoiceNo", items."LedgerItemId") AS "InvoiceNo",
    items."LedgerItemSeriesId", items."LedgerItemId", items."LedgerItemVersion", items."Identity" AS "SupplierNo",
    suppliers."Name" AS "SupplierName", invoices."InvoiceDate", items."DueDate", items."Currency" AS "CurrencyCode",
    items."FullCurrAmount" - items."ClearedCurrAmount" AS "OpenAmount",
    items."FullDomAmount" - items."ClearedDomAmount" AS "OpenAmountBase",
    CASE WHEN items."DueDate" < CURRENT_DATE THEN days_between(items."DueDate", CURRENT_DATE) ELSE 0 END AS "DaysOverdue",
    CASE
        WHEN items."DueDate" < CURRENT_DATE - 90 THEN 'over 90'
        WHEN items."DueDate" < CURRENT_DATE - 60 THEN '61-90'
        WHEN items."DueDate" < CURRENT_DATE - 30 THEN '31-60'
        WHEN items."DueDate" < CURRENT_DATE THEN '1-30'
        ELSE 'not due'
    END AS "AgeingBucket"
FROM ledger_items AS items
LEFT JOIN supplier_invoices AS invoices
    ON invoices."Company" = items."Company" AND invoices."InvoiceId" = items."InvoiceId"
LEFT JOIN suppliers ON suppliers."SupplierId" = items."Identity"
WHERE items."PartyType" = 'Supplier' AND items."FullCurrAmount" <> items."ClearedCurrAmount"
