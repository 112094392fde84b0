"""Tests of peeklock.security."""
