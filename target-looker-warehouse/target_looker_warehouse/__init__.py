"""Singer target for the warehouse behind Looker."""

import os

# Arrow's own allocators keep what one batch needed for the next, beside what DuckDB takes. Arrow reads this when it is loaded
# (arrow.apache.org/docs/cpp/env_vars.html); whoever has set it knows better.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
