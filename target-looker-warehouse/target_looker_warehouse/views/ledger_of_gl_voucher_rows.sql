ledger AS (
    SELECT * FROM gl_voucher_rows
)
