"""Microsoft Fabric's side of open mirroring: what reads a landing zone and makes tables of it."""
