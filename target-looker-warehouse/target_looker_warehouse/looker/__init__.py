"""Looker after a load: signed in to, told which tables changed, asked what it sees."""
