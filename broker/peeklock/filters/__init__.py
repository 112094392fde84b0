"""Predicates over a message, and what a rule's action makes of it. Pure, and nothing else."""
