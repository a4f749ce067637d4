"""Microsoft's token service and Power BI's push datasets."""
