"""Looker's API 4.0, as much of it as is useful after a load."""
