COPY dated FROM '/recorded/warehouse/dated.csv' (FORMAT 'csv', allow_quoted_nulls false, quote '"', delimiter ',', header 1);
COPY entire FROM '/recorded/warehouse/entire.csv' (FORMAT 'csv', allow_quoted_nulls false, quote '"', delimiter ',', header 1);
COPY journal_entries FROM '/recorded/warehouse/journal_entries.csv' (FORMAT 'csv', allow_quoted_nulls false, quote '"', delimiter ',', header 1);
COPY orders FROM '/recorded/warehouse/orders.csv' (FORMAT 'csv', allow_quoted_nulls false, quote '"', delimiter ',', header 1);
COPY versioned FROM '/recorded/warehouse/versioned.csv' (FORMAT 'csv', allow_quoted_nulls false, quote '"', delimiter ',', header 1);
COPY _ifs_bi_marks FROM '/recorded/warehouse/_ifs_bi_marks.csv' (FORMAT 'csv', allow_quoted_nulls false, quote '"', delimiter ',', header 1);
