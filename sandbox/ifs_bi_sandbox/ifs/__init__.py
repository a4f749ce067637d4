"""A stand-in for IFS Cloud: its token service and its OData provider."""
