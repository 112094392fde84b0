"""Verbs → facts → journal → effects: where the broker's five sentences meet."""
