"""A broker whose wall clock a test sets while it runs (stepped_clock.py)."""

from pathlib import Path

from tests.support.broker_process import BrokerProcess
from tests.support.stepped_clock import VARIABLE


def stepped_broker(data_dir: Path, clock: Path) -> BrokerProcess:
    """What the file `clock` says, in milliseconds, is added to its wall clock."""
    return BrokerProcess(
        data_dir=data_dir,
        env={VARIABLE: str(clock)},
        module="tests.support.stepped_clock",
    )
