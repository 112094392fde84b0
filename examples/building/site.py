"""The site: two buildings with floors, units and rooms, and where their sensors publish."""

from dataclasses import dataclass

SITE = "org/contoso/site/berlin"  # the topic; what is below it are subjects
FLOORS = {"41": 6, "42": 4}  # by building
UNITS = ("j", "k")  # of each floor


@dataclass(frozen=True, order=True)
class Room:
    """One room; its controller is an MQTT client and speaks for all its sensors."""

    building: str
    floor: int
    unit: str
    number: int

    @property
    def key(self) -> str:
        return f"{self.building}/{self.floor}/{self.unit}/{self.number}"

    @property
    def floor_key(self) -> str:
        return f"{self.building}/{self.floor}"

    @property
    def client_id(self) -> str:
        return f"controller-{self.key.replace('/', '-')}"

    def subject(self, sensor: str) -> str:
        """Of this sensor's signals: where it is, below the site."""
        return (
            f"building/{self.building}/floor/{self.floor}/unit/{self.unit}"
            f"/room/{self.number}/sensors/{sensor}"
        )


def rooms_of(building: str, floor: int, rooms_of_a_unit: int) -> list[Room]:
    return [
        Room(building, floor, unit, number)
        for unit in UNITS
        for number in range(1, rooms_of_a_unit + 1)
    ]


def all_rooms(rooms_of_a_unit: int) -> list[Room]:
    return [
        room
        for building, floors in FLOORS.items()
        for floor in range(1, floors + 1)
        for room in rooms_of(building, floor, rooms_of_a_unit)
    ]
