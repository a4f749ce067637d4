ledger AS (
    SELECT * FROM journal_entries WHERE "stage" = 'general_ledger'
)
