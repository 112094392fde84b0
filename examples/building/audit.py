"""What is owed: worked out from the day alone, and compared with what the crew has done.

Alerts are counted by the derivation that has to see them and by its key. A job of `gas` stands
for as many alerts as it says, each other one for one.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from peeklock_client.demo.building.day import Day, Signal
from peeklock_client.demo.building.site import Room

TARGET, DEVIATION, BACK_WITHIN = 20.0, 2.0, 1.5  # °C
SMOKE_ALERT, SMOKE_OVER = 5.0, 1.0  # % per metre
NIGHT_HOUR, MORNING_HOUR = 21, 6
Alert = tuple[str, str]  # the derivation's name, and what it is about


class Watch:
    """One figure: says when it has left its bounds, once until it is back."""

    def __init__(self, low: float, high: float, hysteresis: float) -> None:
        self._low, self._high, self._hysteresis = low, high, hysteresis
        self._side = ""

    def look(self, figure: float) -> str:
        """`above` or `below` when it has just gone there, else nothing."""
        before, slack = self._side, self._hysteresis
        if figure > self._high or (before == "above" and figure > self._high - slack):
            self._side = "above"
        elif figure < self._low or (before == "below" and figure < self._low + slack):
            self._side = "below"
        else:
            self._side = ""
        return self._side if self._side != before else ""


def alerts_owed(day: Day) -> Counter[Alert]:
    """What the crew has to hear of, by the readings."""
    owed: Counter[Alert] = Counter({("silent", room.key): 1 for room in day.silent})
    smoke: dict[str, dict[Room, float]] = {}
    celsius: dict[str, dict[Room, float]] = {}
    fires: dict[str, Watch] = {}
    floors: dict[str, Watch] = {}
    for signals in day.steps:
        for one in signals:
            if one.sensor == "fire":
                smoke.setdefault(one.room.building, {})[one.room] = one.data["smoke"]
            elif one.sensor == "climate":
                celsius.setdefault(one.room.floor_key, {})[one.room] = one.data["celsius"]
            elif one.sensor == "gas" and one.data["alert"]:
                owed["gas", one.room.floor_key] += 1
            elif is_at_night(one):
                owed["presence", one.room.subject("occupancy")] += 1
        for building, values in smoke.items():
            watch = fires.setdefault(building, Watch(-1, SMOKE_ALERT, SMOKE_ALERT - SMOKE_OVER))
            if watch.look(max(values.values())):
                owed["fire", building] += 1
        for floor, values in celsius.items():
            bounds = TARGET - DEVIATION, TARGET + DEVIATION, DEVIATION - BACK_WITHIN
            watch = floors.setdefault(floor, Watch(*bounds))
            if side := watch.look(sum(values.values()) / len(values)):
                owed["climate", f"{floor} {side}"] += 1
    return owed


def by_derivation(alerts: Counter[Alert]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for (derivation, _about), count in alerts.items():
        counts[derivation] += count
    return counts


def is_at_night(one: Signal) -> bool:
    if one.sensor != "occupancy" or not one.data["occupied"]:
        return False
    return bool(one.data["hour"] >= NIGHT_HOUR or one.data["hour"] < MORNING_HOUR)


def unoccupied(day: Day, building: str, step: int) -> set[str]:
    """Subjects of the occupancy sensors that say so after this step."""
    found: set[str] = set()
    for signals in day.steps[: step + 1]:
        for one in signals:
            if one.sensor == "occupancy" and one.room.building == building:
                subject = one.room.subject("occupancy")
                (found.discard if one.data["occupied"] else found.add)(subject)
    return found


@dataclass
class Outcome:
    """What is to be reported."""

    rooms: int
    signals: int  # acknowledged, repeated ones and heartbeats not counted
    repeated: int
    heartbeats: int
    owed: Counter[Alert]
    answered: Counter[Alert]
    jobs: Counter[str]  # done, by derivation
    is_one_killed: bool  # of the crew
    taken_over: int  # jobs that it had in hand
    late: set[str]  # rooms whose heartbeat came so late that they were rightly missed
    dead_letters: int
    said_unoccupied: int | None  # rooms of building 41 at noon; None: not asked
    is_said_right: bool
    seconds: float

    @property
    def missing(self) -> Counter[Alert]:
        """Alerts for which there was no job."""
        return self.owed - self.answered

    @property
    def surplus(self) -> Counter[Alert]:
        """Jobs without an alert, or a second time for the same one."""
        found = self.answered - self.owed
        return without(found, {("silent", room) for room in self.late})

    @property
    def is_good(self) -> bool:
        faults = self.missing.total() + self.surplus.total() + self.dead_letters
        return faults == 0 and self.is_said_right


def without(alerts: Counter[Alert], excused: Iterable[Alert]) -> Counter[Alert]:
    left = Counter(alerts)
    for alert in excused:
        del left[alert]
    return left
