"""A seeded company group in SQLite: what it looks like, how it is made, how it changes."""
