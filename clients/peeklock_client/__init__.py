"""peeklock's client: send jobs, receive and settle them, run workers.

::

    async with connect() as client:
        orders = client.queue("orders")
        await orders.send({"order": 4711})
        async for job in orders.receive():
            print(job.json())
            await job.complete()
"""

from peeklock_client.client import Client, connect
from peeklock_client.errors import (
    BatchRefused,
    LockLost,
    NotFound,
    PeeklockError,
    QueueFull,
    Refused,
    SessionInUse,
    SessionLost,
    TimedOut,
    Unauthenticated,
    Unreachable,
)
from peeklock_client.job import Job
from peeklock_client.message import LastValue, ReceivedMessage
from peeklock_client.message_session import MessageSession
from peeklock_client.queue import DeferredJob, Queue
from peeklock_client.source_filter import SourceFilter, cesql, event_filters, subject_path
from peeklock_client.topic import Subscription, Topic
from peeklock_client.worker import DeadLetter, Retry, Worker

__all__ = [
    "connect",
    "Client",
    "Queue",
    "Topic",
    "Subscription",
    "Job",
    "DeferredJob",
    "MessageSession",
    "Worker",
    "Retry",
    "DeadLetter",
    "ReceivedMessage",
    "LastValue",
    "PeeklockError",
    "Unreachable",
    "Unauthenticated",
    "Refused",
    "NotFound",
    "QueueFull",
    "LockLost",
    "SessionLost",
    "SessionInUse",
    "TimedOut",
    "BatchRefused",
    "SourceFilter",
    "cesql",
    "event_filters",
    "subject_path",
]
