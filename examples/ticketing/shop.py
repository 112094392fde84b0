"""The shop: enqueues each order as a job, named by its order number."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

from peeklock_client.message import encode_job
from peeklock_client.queue import Queue

ORDERS_FILE = Path(__file__).parent / "orders.jsonl"
AT_ONCE = 50


def read_orders() -> list[bytes]:
    """The data file's lines, as the shop's database would export them."""
    return ORDERS_FILE.read_bytes().splitlines()


def order_number(line: bytes) -> str:
    """By which an order is known; a broken line still begins with it."""
    try:
        return str(json.loads(line)["order"])
    except ValueError:
        return line.split(b'"')[3].decode()


async def sell(queue: Queue, orders: list[bytes]) -> AsyncIterator[int]:
    """Enqueue all orders; yields how many the broker has confirmed so far."""
    for start in range(0, len(orders), AT_ONCE):
        lines = orders[start : start + AT_ONCE]
        await queue.send_encoded(
            [
                encode_job(line, message_id=order_number(line), content_type="application/json")
                for line in lines
            ]
        )
        yield start + len(lines)
