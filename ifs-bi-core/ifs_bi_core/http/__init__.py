"""HTTP policies: small functions around a transport, composed outermost first."""
