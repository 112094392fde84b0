"""Azure's Service Bus SDK for Python, unmodified, as the tests use it."""

from functools import partial
from typing import Any

import pytest

WANTED = "azure-servicebus is not installed (pip install azure-servicebus)"
servicebus = pytest.importorskip("azure.servicebus", reason=WANTED)
aio = pytest.importorskip("azure.servicebus.aio", reason=WANTED)
exceptions = pytest.importorskip("azure.servicebus.exceptions", reason=WANTED)
Message = servicebus.ServiceBusMessage
RECEIVE_AND_DELETE = servicebus.ServiceBusReceiveMode.RECEIVE_AND_DELETE
DEAD_LETTER = servicebus.ServiceBusSubQueue.DEAD_LETTER

WAIT_SECONDS = 2.0  # how long a receiver looks for messages that are there


def connection_string(port: int) -> str:
    """As everybody has it for the emulator, with our port."""
    return (
        f"Endpoint=sb://localhost:{port};SharedAccessKeyName=RootManageSharedAccessKey;"
        "SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;"
    )


def client(port: int, **options: Any) -> Any:
    options.setdefault("retry_total", 0)  # a refusal is one, at once
    made = servicebus.ServiceBusClient.from_connection_string(
        connection_string(port), **options
    )
    return closing_at_once(made)


def async_client(port: int, **options: Any) -> Any:
    options.setdefault("retry_total", 0)
    made = aio.ServiceBusClient.from_connection_string(connection_string(port), **options)
    return closing_at_once(made)


def closing_at_once(bus: Any) -> Any:
    """Its senders get an option of the SDK's: no keep-alive, which looks once a second whether
    it is over, and for which closing waits. No sender of ours is idle for long.
    """
    for name in ("get_queue_sender", "get_topic_sender"):
        setattr(bus, name, partial(getattr(bus, name), keep_alive=0))
    return bus


def texts(messages: list[Any]) -> list[str]:
    return [str(message) for message in messages]
