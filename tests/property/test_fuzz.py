"""The fuzzer runs and finds nothing in a second or two; `make fuzz` goes on for longer."""

from tests.fuzz import fuzz


def test_a_short_run_finds_nothing() -> None:
    assert fuzz(2.0, seed=4711) > 0
