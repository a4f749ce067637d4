"""Roll-ups beside the tables: views that answer what people ask of ledger, purchasing and payables.

What there is, with every column, stands in `target_looker_warehouse.views.catalogue`; the SELECT of each view in a ``.sql`` file
of its name, in the words that all warehouses share. `target_looker_warehouse.views.rendering` makes the statement for one
warehouse of it (pure), `target_looker_warehouse.views.upkeep` keeps the views of a warehouse.
"""
