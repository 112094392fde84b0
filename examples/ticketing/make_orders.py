"""Makes orders.jsonl: a season of a concert hall's online shop, always the same.

Run it as `python make_orders.py > orders.jsonl`. Twelve orders are broken in the ways in
which real ones are: the ERP must put them aside and go on.
"""

import json
import random
from datetime import UTC, datetime, timedelta

ORDER_COUNT = 3000
BROKEN_COUNT = 12
FIRST_NAMES = (
    "Anna Ben Clara David Elif Farid Greta Henrik Ines Jonas Karla Luca Mara Nils Olga Paul "
    "Rosa Samir Tea Uwe Vera Wanda Yusuf Zoe"
).split()
LAST_NAMES = (
    "Albers Becker Cordes Demir Engel Fischer Gruber Hoffmann Ivanova Jansen Kowalski Lindner "
    "Moreau Novak Ostermann Peters Quandt Richter Schulz Tanaka Urban Vogel Weber Zimmer"
).split()
EVENTS = [
    ("E-1001", "Mahler: Symphony No. 2", "Great Hall", 4500, 12900),
    ("E-1002", "An Evening of Tango", "Great Hall", 3200, 7800),
    ("E-1003", "Bach: Goldberg Variations", "Chamber Hall", 2800, 4900),
    ("E-1004", "Children's Concert: Peter and the Wolf", "Great Hall", 900, 2100),
    ("E-1005", "Jazz at the Foyer", "Foyer", 1800, 2600),
    ("E-1006", "New Year's Gala", "Great Hall", 6900, 18900),
    ("E-1007", "Organ at Noon", "Great Hall", 500, 1200),
    ("E-1008", "String Quartets of the North", "Chamber Hall", 2400, 4200),
]
CATEGORIES = ("A", "B", "C", "D")
PAYMENTS = ("card", "card", "card", "paypal", "invoice", "sepa")
CHANNELS = ("web", "web", "web", "app", "app", "box office")


def make_order(number: int, chance: random.Random, at: datetime) -> dict[str, object]:
    event_id, name, hall, cheapest, dearest = chance.choice(EVENTS)
    category = chance.choice(CATEGORIES)
    step = (dearest - cheapest) // (len(CATEGORIES) - 1)
    price = dearest - step * CATEGORIES.index(category)
    row, seat = chance.randint(1, 32), chance.randint(1, 28)
    count = chance.choices((1, 2, 3, 4, 6), (20, 55, 8, 14, 3))[0]
    first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
    return {
        "order": f"S26-{number:06d}",
        "ordered_at": at.isoformat(timespec="seconds"),
        "channel": chance.choice(CHANNELS),
        "customer": {
            "name": f"{first} {last}",
            "email": f"{first}.{last}{number % 89}@example.com".lower(),
        },
        "event": {"id": event_id, "name": name, "hall": hall},
        "tickets": [
            {"category": category, "row": row, "seat": seat + place, "price_cents": price}
            for place in range(count)
        ],
        "payment": {
            "method": chance.choice(PAYMENTS),
            "currency": "EUR",
            "total_cents": price * count,
        },
    }


def broken(order: dict[str, object], way: int) -> str:
    """The same order with one of the usual faults."""
    tickets = order["tickets"]
    payment = order["payment"]
    assert isinstance(tickets, list)
    assert isinstance(payment, dict)
    if way == 0:
        del tickets[0]["price_cents"]
    elif way == 1:
        payment["total_cents"] += 100
    elif way == 2:
        order["tickets"] = []
    elif way == 3:
        return json.dumps(order)[:-40]
    return json.dumps(order)


def main() -> None:
    chance = random.Random(26)
    at = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
    faulty = set(chance.sample(range(1, ORDER_COUNT + 1), BROKEN_COUNT))
    way = 0
    for number in range(1, ORDER_COUNT + 1):
        at += timedelta(seconds=chance.randint(2, 90))
        order = make_order(number, chance, at)
        if number in faulty:
            print(broken(order, way % 4))
            way += 1
        else:
            print(json.dumps(order))


if __name__ == "__main__":
    main()
