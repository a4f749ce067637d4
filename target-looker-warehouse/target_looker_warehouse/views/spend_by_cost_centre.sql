costs AS (
    SELECT ledger."Company", ledger."AccountingYear", ledger."AccountingPeriod", ledger."VoucherDate",
        coalesce(ledger."CodeB", '') AS "CostCentre", sum(ledger."Amount") AS "Amount"
    FROM ledger
    JOIN gl_accounts AS accounts ON accounts."Company" = ledger."Company" AND accounts."Account" = ledger."Account"
    WHERE accounts."AccntType" = 'Cost'
    GROUP BY ledger."Company", ledger."AccountingYear", ledger."AccountingPeriod", ledger."VoucherDate",
        coalesce(ledger."CodeB", '')
)
SELECT
    costs."Company", costs."AccountingYear", costs."AccountingPeriod", costs."VoucherDate", costs."CostCentre",
    centres."Description" AS "CostCentreName", companies."CurrencyCode", costs."Amount"
FROM costs
LEFT JOIN code_part_values AS centres
    ON centres."Company" = costs."Company" AND centres."CodePart" = 'B' AND centres."CodePartValue" = costs."CostCentre"
LEFT JOIN companies ON companies."Company" = costs."Company"
