"""Singer target for Power BI."""
