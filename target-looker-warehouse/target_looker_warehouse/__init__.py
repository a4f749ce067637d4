"""Singer target for the warehouse behind Looker.

Where to find what:

- The command: `target`, `settings`. Which warehouse an address means: `addresses`.
- From lines to batches: `sinks`, one for each stream, gather rows as the warehouse can hold them (`held`).
- From batches to tables: `warehouse` is the engine, the same for every product. `tables` plans what a table looks like, by
  `names`; `rounds` takes a batch apart where keys repeat; `loading` applies it, by the SQL of `merging` and `statements`;
  `loads` is what the warehouse is told of it, in the same transaction.
- What differs from product to product: facts in `dialects`, connections in `warehouses`, which says how to add one.
- Beside the tables: roll-ups in `views`, LookML in `lookml`, and `looker`, which is told after a load (`row_counts`).
- Verbs of `ifs-bi`: `command` (`verify`, `warehouse-check`), `check` (the steps of the latter), `lookml`; `ping` is in
  `looker`.

What a `load_method` does to rows is said in `sinks`. Beside that it decides when STATE leaves and whether there are views
(`target`), what is compared (`command.verification`), and whether LookML may count on one row a key (`lookml.after_load`).
"""

import os

# Arrow's own allocators keep what one batch needed for the next, beside what DuckDB takes. Arrow reads this when it is loaded
# (arrow.apache.org/docs/cpp/env_vars.html); whoever has set it knows better.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
