-- A row that is being moved can be seen in both: then the general ledger has it.
entries AS (
    SELECT ledger.*, CAST('general_ledger' AS TEXT) AS "stage" FROM gl_voucher_rows AS ledger
    UNION ALL
    SELECT waiting.*, CAST('hold' AS TEXT) AS "stage" FROM vouchers AS waiting
    WHERE NOT EXISTS (
        SELECT 1 FROM gl_voucher_rows AS ledger
        WHERE ledger."Company" = waiting."Company" AND ledger."VoucherType" = waiting."VoucherType"
            AND ledger."AccountingYear" = waiting."AccountingYear" AND ledger."VoucherNo" = waiting."VoucherNo"
            AND ledger."RowNo" = waiting."RowNo"
    )
)
