"""What a broken connection does to a client: nothing that its user must handle."""

import asyncio
import contextlib
import time

import pytest

from peeklock.protocols.amqp10.connection import Connection
from peeklock.protocols.amqp10.events import AttachReceived, MessageReceived, SaslInitReceived
from peeklock.protocols.amqp10.exchange import ConnectionSettings
from peeklock.protocols.amqp10.link import ReceiverLink
from peeklock.protocols.amqp10.sasl_layer import SaslServer
from peeklock.types import UnixMs
from peeklock_client import LockLost, Unreachable, connect
from tests.support.broker_process import BrokerProcess


async def restart(broker: BrokerProcess) -> None:
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.restart)


async def test_what_was_not_confirmed_is_sent_again(broker: BrokerProcess) -> None:
    async with connect(broker.url) as client:
        queue = await client.create_queue("orders")
        ids: list[str] = []

        async def produce() -> None:
            for number in range(400):
                ids.append(await queue.send(str(number)))

        producing = asyncio.create_task(produce())
        for _ in range(2):
            await asyncio.sleep(0.1)
            await restart(broker)
        await producing
        found = [message.message_id for message in await queue.peek(count=1000)]
        assert set(found) == set(ids)
        assert len(found) <= len(ids) + 2  # one in doubt a crash, since nobody deduplicates


async def test_a_receiver_goes_on_and_a_held_job_is_lost(broker: BrokerProcess) -> None:
    async with connect(broker.url) as client:
        queue = await client.create_queue("orders")
        await queue.send_batch(["a", "b"])
        seen: list[tuple[str, int]] = []
        async for job in queue.receive(prefetch=1, wait=20):
            seen.append((job.text(), job.attempt))
            if len(seen) == 1:
                await restart(broker)
                with pytest.raises(LockLost):
                    await job.complete()
                continue
            with contextlib.suppress(LockLost):
                await job.complete()
            if len(seen) == 3:
                break
        # The crash may have forgotten the lock, and with it that there was an attempt.
        assert [text for text, _attempt in seen] == ["a", "a", "b"]
        assert seen[1][1] in (1, 2)


async def test_patience_ends(broker: BrokerProcess) -> None:
    async with connect(broker.url, patience=0.3) as client:
        queue = await client.create_queue("orders")
        broker.kill()
        with pytest.raises(Unreachable):
            await queue.send("a")
        with pytest.raises(Unreachable):
            await queue.info()


class Unlucky:
    """A broker that is lost on each message: it closes the socket, every time."""

    def __init__(self) -> None:
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        settings = ConnectionSettings("unlucky")
        wire = Connection.server(settings, now(), SaslServer(("ANONYMOUS",), required=False))
        while data := await reader.read(65536):
            for event in wire.receive_data(data, now()):
                if isinstance(event, SaslInitReceived):
                    wire.sasl_outcome(0)
                elif isinstance(event, AttachReceived):
                    event.link.accept(source=event.link.source, target=event.link.target)
                    if isinstance(event.link, ReceiverLink):
                        event.link.grant(10)
                elif isinstance(event, MessageReceived):
                    writer.transport.abort()
                    return
            writer.write(wire.data_to_send())
        writer.close()


def now() -> UnixMs:
    return UnixMs(time.time_ns() // 1_000_000)


async def test_a_message_that_ends_each_connection_is_not_sent_for_ever() -> None:
    unlucky = Unlucky()
    server = await asyncio.start_server(unlucky.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with connect(f"amqp://127.0.0.1:{port}", patience=0.5) as client:
        with pytest.raises(Unreachable, match="as soon as it is there"):
            await client.queue("orders").send("poison")
    server.close()
    assert 2 <= unlucky.connections <= 8, "it waited longer each time"
