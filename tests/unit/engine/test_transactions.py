"""Transactions in the engine: how many may be open."""

import pytest

from peeklock.engine.transactions import Transactions
from peeklock.errors import QuotaExceeded
from peeklock.limits import TRANSACTION_DURATION_MAX, TRANSACTIONS_OPEN_MAX
from tests.support.house import House


def test_those_that_timed_out_make_room() -> None:
    house = House()
    transactions = Transactions(house.engine, house.peer, "link")
    first = transactions.declare(house.now)
    house.advance(1)
    others = [transactions.declare(house.now) for _ in range(TRANSACTIONS_OPEN_MAX - 1)]
    with pytest.raises(QuotaExceeded):
        transactions.declare(house.now)
    house.advance(TRANSACTION_DURATION_MAX - 1)
    transactions.declare(house.now)
    assert not transactions.has(first)
    assert all(transactions.has(txn_id) for txn_id in others)
    with pytest.raises(QuotaExceeded):
        transactions.declare(house.now)
