SELECT
    entries."Company", entries."VoucherType", entries."AccountingYear", entries."VoucherNo", entries."RowNo",
    entries."stage" AS "Stage", entries."AccountingPeriod", entries."VoucherDate", entries."Account",
    accounts."Description" AS "AccountDescription", accounts."AccntType" AS "AccountType",
    entries."CodeB", entries."CodeC", entries."CodeD", entries."CodeE", entries."CodeF", entries."CodeG", entries."CodeH",
    entries."CodeI", entries."CodeJ", entries."CurrencyCode", entries."CurrencyAmount", entries."Amount", entries."Quantity",
    entries."Text", entries."PartyType", entries."PartyTypeId", entries."ReferenceSerie", entries."ReferenceNumber"
FROM entries
LEFT JOIN gl_accounts AS accounts ON accounts."Company" = entries."Company" AND accounts."Account" = entries."Account"
