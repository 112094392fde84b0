"""A working day of the site, always the same: what its sensors measure, each half hour.

Chance is seeded, and what goes wrong is written down here: three fires, gas leaks, floors
that are too warm or too cold, people who are there at night, controllers that lose power.
"""

import random
from dataclasses import dataclass
from typing import Any

from peeklock_client.demo.building.site import Room, all_rooms, rooms_of

SEED = 41
FIRST_HOUR = 6
STEPS = 36  # half hours: until midnight
DATE = "2026-11-24"
NOON = 12  # the step at which it is noon
NIGHT = 30  # … and 21:00
POWER_CUT = 4
SMOKE_CLEAR = 0.4  # % per metre; alert is at 5

# Building, floor, first step, how many rooms it reaches, step at which all is clear.
FIRES = (("41", 3, 11, 4, 18), ("42", 2, 14, 2, 20), ("41", 5, 25, 1, 28))
# Building, floor, step, rooms.
LEAKS = (("41", 1, 9, 6), ("41", 6, 21, 3), ("42", 4, 27, 8))
# Building, floor, first step, step from which it goes back, °C a step.
DRIFTS = (
    ("41", 2, 8, 14, 0.7),
    ("41", 4, 2, 7, -0.8),
    ("42", 1, 20, 26, 0.6),
    ("42", 3, 6, 11, 0.9),
    ("42", 3, 22, 27, 0.9),
)


@dataclass(frozen=True)
class Signal:
    """What one sensor says once. `is_sent_twice`: its controller missed the first PUBACK."""

    room: Room
    sensor: str
    number: int  # of the sensor's signals
    time: str
    data: dict[str, Any]
    is_sent_twice: bool = False


class Day:
    """`steps[n]` are the signals of step n; `silent` are the rooms whose power is cut."""

    def __init__(self, rooms_of_a_unit: int) -> None:
        self._chance = random.Random(SEED)
        self._rooms_of_a_unit = rooms_of_a_unit
        self.rooms = all_rooms(rooms_of_a_unit)
        self._numbers: dict[tuple[Room, str], int] = {}
        self._offsets = {room: self._chance.uniform(-0.6, 0.6) for room in self.rooms}
        self._presence = {room: self._hours_of_presence() for room in self.rooms}
        self._reached_by_fire = self._fires()
        self._reached_by_gas = {
            (room, step)
            for building, floor, step, count in LEAKS
            for room in rooms_of(building, floor, rooms_of_a_unit)[:count]
        }
        affected = {room for room, _ in self._reached_by_gas} | set(self._reached_by_fire)
        drifting = {(building, floor) for building, floor, *_ in DRIFTS}
        spared = [
            room
            for room in self.rooms
            if room not in affected and (room.building, room.floor) not in drifting
        ]
        few = max(2, len(self.rooms) // 40)
        chosen = self._chance.sample(spared, 2 * few)
        self.silent = set(chosen[:few])
        self._at_night = {
            room: self._chance.randrange(NIGHT, STEPS - 1) for room in chosen[few:]
        }
        self.steps = [self._step(step) for step in range(STEPS)]

    def _hours_of_presence(self) -> set[int]:
        """Steps at which somebody is there; one room in eight is empty all day."""
        if self._chance.random() < 0.125:
            return set()
        comes, lunch = self._chance.randint(2, 8), self._chance.randint(11, 14)
        return set(range(comes, self._chance.randint(18, 28))) - {lunch, lunch + 1}

    def _fires(self) -> dict[Room, list[tuple[int, int]]]:
        """From which step to which there is smoke, by room: it takes a step to the next one."""
        found: dict[Room, list[tuple[int, int]]] = {}
        for building, floor, first, count, clear in FIRES:
            rooms = rooms_of(building, floor, self._rooms_of_a_unit)[:count]
            for later, room in enumerate(rooms):
                found.setdefault(room, []).append((first + later, clear))
        return found

    def _step(self, step: int) -> list[Signal]:
        signals: list[Signal] = []
        for room in self.rooms:
            if room not in self.silent or step < POWER_CUT:
                signals += self._of_room(room, step)
        return signals

    def _of_room(self, room: Room, step: int) -> list[Signal]:
        found = [self._climate(room, step)]
        is_there = self._is_there(room, step)
        if step == 0 or is_there != self._is_there(room, step - 1):
            data = {"occupied": is_there, "hour": FIRST_HOUR + step // 2}
            found.append(self._signal(room, "occupancy", step, data, twice=is_there))
        smoke = self._smoke(room, step)
        if step == 0 or smoke > SMOKE_CLEAR or self._smoke(room, step - 1) > SMOKE_CLEAR:
            found.append(self._signal(room, "fire", step, {"smoke": smoke}, twice=smoke > 5))
        leaks = (room, step) in self._reached_by_gas
        if step == 0 or leaks or (room, step - 1) in self._reached_by_gas:
            ppm = self._chance.randint(5200, 9000) if leaks else self._chance.randint(2, 40)
            data = {"methane_ppm": ppm, "alert": leaks}
            found.append(self._signal(room, "gas", step, data, twice=leaks))
        return found

    def _is_there(self, room: Room, step: int) -> bool:
        return step in self._presence[room] or self._at_night.get(room) == step

    def _climate(self, room: Room, step: int) -> Signal:
        celsius = 20 + self._offsets[room] + self._chance.uniform(-0.1, 0.1)
        for building, floor, first, back, by in DRIFTS:
            if (room.building, room.floor) == (building, floor) and step >= first:
                away = min(step, back) - first
                celsius += by * max(0, away - max(0, step - back))
        data = {"celsius": round(celsius, 2), "humidity": self._chance.randint(35, 52)}
        return self._signal(room, "climate", step, data)

    def _smoke(self, room: Room, step: int) -> float:
        for first, clear in self._reached_by_fire.get(room, ()):
            if first <= step < clear:
                return 6.0 + 2.5 * (step - first)
        return SMOKE_CLEAR

    def _signal(
        self, room: Room, sensor: str, step: int, data: dict[str, Any], *, twice: bool = False
    ) -> Signal:
        number = self._numbers.get((room, sensor), 0) + 1
        self._numbers[room, sensor] = number
        minutes = FIRST_HOUR * 60 + 30 * step
        time = f"{DATE}T{minutes // 60:02}:{minutes % 60:02}:00Z"
        # One alert in three is sent again.
        return Signal(room, sensor, number, time, data, twice and room.number % 3 == 1)
