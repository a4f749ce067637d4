"""Open mirroring: rows as files in the landing zone of a mirrored database, which Microsoft Fabric makes tables of."""
