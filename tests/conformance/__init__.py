"""Specifications, assertion by assertion."""
