"""Fixtures that every tier may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker_process import BrokerProcess


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A fresh `--dev` broker with its data in `tmp_path`."""
    with BrokerProcess(data_dir=tmp_path / "data") as process:
        yield process
