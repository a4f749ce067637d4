SELECT
    orders."Company", lines."Contract", lines."OrderNo", lines."LineNo", lines."ReleaseNo", orders."VendorNo" AS "SupplierNo",
    suppliers."Name" AS "SupplierName", orders."OrderDate", lines."WantedDeliveryDate", lines."CurrencyCode",
    lines."NetAmtCurr" AS "OpenAmount", lines."NetAmtBase" AS "OpenAmountBase"
FROM purchase_order_lines AS lines
JOIN purchase_orders AS orders ON orders."OrderNo" = lines."OrderNo"
LEFT JOIN suppliers ON suppliers."SupplierId" = orders."VendorNo"
WHERE lines."Objstate" NOT IN ('Closed', 'Cancelled') AND orders."Objstate" NOT IN ('Closed', 'Cancelled', 'Planned')
