entries AS (
    SELECT * FROM journal_entries
)
