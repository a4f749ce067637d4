"""What speaks to the warehouses: one module for each, loaded where an address names it.

A new warehouse takes:

1. A `Dialect` in `target_looker_warehouse.dialects`: a module and a constant with its name, and a row in `lookml.command`.
2. A module here with `address` and a `connection.Connection`. It alone imports the driver: an extra of this package, and a
   row in the import contracts of the repository's ``pyproject.toml``. A row in `target_looker_warehouse.addresses` leads to
   it.
3. In ``tests`` a box (`boxes`) that runs the cases of ``conformance.py`` and the steps of `ifs-bi warehouse-check`. If
   that is an emulator: what it can't show in ``emulator_gaps.py``, and the statements in ``golden``, those of the views
   among them.
4. A row in ``docs/generate.py``, its address in the description of `warehouse_url`, a row in the tables of the README, and a
   tutorial.

The engine stays as it is. Where it would have to ask which warehouse it is, there is a fact missing in `Dialect`.
"""
