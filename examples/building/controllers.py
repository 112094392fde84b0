"""The rooms' controllers: one MQTT client each, which publishes what its sensors say."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import orjson

from peeklock_client import PeeklockError
from peeklock_client.demo.building.day import POWER_CUT, Day, Signal
from peeklock_client.demo.building.mqtt_client import MqttClient, connect_mqtt
from peeklock_client.demo.building.site import SITE, Room
from peeklock_client.location import Location

CLOUDEVENT = "application/cloudevents+json"
CONNECTING_AT_ONCE = 8
BEAT_SECONDS = 1.0
STEP_SECONDS = 0.25  # half an hour of the day


def as_event(one: Signal) -> bytes:
    """A CloudEvent in structured mode; `occupied` is there for others' filters, too."""
    subject = one.room.subject(one.sensor)
    event = {
        "specversion": "1.0",
        "type": f"org.contoso.site.{one.sensor}",
        "source": f"/{SITE}/{subject}",
        "id": f"{one.number}",
        "subject": subject,
        "time": one.time,
        "datacontenttype": "application/json",
        "data": one.data,
    }
    if "occupied" in one.data:
        event["occupied"] = one.data["occupied"]
    return orjson.dumps(event)


class Controller:
    """Of one room."""

    def __init__(self, room: Room, client: MqttClient) -> None:
        self.room = room
        self.has_power = True
        self.signal_count = 0
        self.repeated_count = 0
        self.beat_count = 0
        # From sending one heartbeat to the acknowledgement of the next: the longest silence
        # that the broker can have heard.
        self.silence_seconds = 0.0
        self._beat_at = 0.0
        self._client = client

    async def say(self, signals: list[Signal]) -> None:
        """One after the other; each is on disk before the next leaves."""
        for one in signals:
            topic, event = f"{SITE}/{one.room.subject(one.sensor)}", as_event(one)
            await self._client.publish(topic, event, CLOUDEVENT)
            self.signal_count += 1
            if one.is_sent_twice:
                await self._client.publish(topic, event, CLOUDEVENT)
                self.repeated_count += 1

    async def beat(self) -> None:
        before, self._beat_at = self._beat_at, time.monotonic()
        topic = f"{SITE}/{self.room.subject('heartbeat')}"
        await self._client.publish(topic, b'{"is": "well"}', "application/json")
        self.beat_count += 1
        if before:
            self.silence_seconds = max(self.silence_seconds, time.monotonic() - before)

    def cut_power(self) -> None:
        self.has_power = False
        self._client.abort()

    def leave(self) -> None:
        if self.has_power:
            self._client.disconnect()


class Controllers:
    """All of them."""

    def __init__(self, controllers: list[Controller]) -> None:
        self.all = controllers

    @classmethod
    async def connect(
        cls, location: Location, rooms: list[Room], on_connected: Callable[[], None]
    ) -> "Controllers":
        """Raises `Unreachable`."""
        some_at_once = asyncio.Semaphore(CONNECTING_AT_ONCE)

        async def connect_one(room: Room) -> Controller:
            async with some_at_once:
                client = await connect_mqtt(location, room.client_id)
                on_connected()
                return Controller(room, client)

        return cls(list(await asyncio.gather(*(connect_one(room) for room in rooms))))

    async def live(self, day: Day) -> AsyncIterator[int]:
        """Publish the day; yields each step's number when all of it is on disk."""
        for number, signals in enumerate(day.steps):
            if number == POWER_CUT:
                for one in self.all:
                    if one.room in day.silent:
                        one.cut_power()
            by_room: dict[Room, list[Signal]] = {}
            for signal in signals:
                by_room.setdefault(signal.room, []).append(signal)
            talking = [one.say(by_room[one.room]) for one in self.all if one.room in by_room]
            await asyncio.gather(asyncio.sleep(STEP_SECONDS), *talking)
            yield number

    async def beat_forever(self) -> None:
        while True:
            beating = [self._beat(one) for one in self.all if one.has_power]
            await asyncio.gather(asyncio.sleep(BEAT_SECONDS), *beating)

    async def _beat(self, one: Controller) -> None:
        try:
            await one.beat()
        except PeeklockError:
            if one.has_power:
                raise

    def leave(self) -> None:
        for one in self.all:
            one.leave()
