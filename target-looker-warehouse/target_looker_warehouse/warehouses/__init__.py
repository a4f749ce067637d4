"""What speaks to the warehouses: one module for each, loaded where an address names it."""
