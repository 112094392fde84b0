"""Demonstrations on real input; their sources are in examples/."""
