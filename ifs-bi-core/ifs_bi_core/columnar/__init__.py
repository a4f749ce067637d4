"""Singer rows as typed columns, exactly: what every columnar destination begins with."""
