"""Topics: what a message costs that many take, and one that one of many takes.

A producer sends and nobody receives: what is measured is the way in, rules and journal. Only
ours: there is nothing alike to compare with.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from bench.brokers import Target
from bench.generator import Generator
from bench.system import cpu_seconds
from peeklock_client import connect

Figures = dict[str, float]
SIZE = 1024
WINDOW = 500
COPIES_MAX = 200_000  # that lie in memory at the end
MESSAGES_MAX = 40_000
Rule = dict[str, Any]


def everything(_place: int) -> Rule:
    """Takes every message, and has to look at it to say so."""
    return {"name": "all", "sql": "kind LIKE 'k%'"}


def one_kind(place: int) -> Rule:
    return {"name": "kind", "correlation": {"kind": f"k{place:03}"}}


def one_kind_by_sql(place: int) -> Rule:
    return {"name": "kind", "sql": f"kind = 'k{place:03}' AND NOT EXISTS(hidden)"}


def topic(
    subscriptions: int, rule: Callable[[int], Rule], *, takers: int
) -> Callable[[Target, object], Figures]:
    """`takers` of the subscriptions take each message, by the rule that `rule` makes."""

    def measure(target: Target, _effort: object) -> Figures:
        if target.name != "peeklock":
            return {}
        name = f"bench-topic-{time.monotonic_ns()}"
        asyncio.run(prepare(target.url, name, subscriptions, rule))
        count = min(MESSAGES_MAX, COPIES_MAX // takers)
        producer = Generator(
            "produce",
            url=target.url,
            address=name,
            size=SIZE,
            window=WINDOW,
            count=count,
            kinds=subscriptions,
        )
        cpu = cpu_seconds(target.pid) if target.pid else 0.0
        producer.go()
        sent = producer.result()
        cpu = cpu_seconds(target.pid) - cpu if target.pid else 0.0
        copies = asyncio.run(count_copies(target.url, name))
        asyncio.run(drop(target.url, name))
        seconds = sent["ended"] - sent["began"]
        return {
            "msgs_per_s": round(count / seconds),
            "copies_per_s": round(copies / seconds),
            "cpu_us_per_msg": round(cpu * 1e6 / count, 1),
            "cpu_us_per_copy": round(cpu * 1e6 / copies, 1),
            "lost": count * takers - copies,
        }

    return measure


async def prepare(url: str, name: str, subscriptions: int, rule: Callable[[int], Rule]) -> None:
    async with connect(url) as client:
        made = await client.create_topic(name)
        for place in range(subscriptions):
            await made.subscribe(f"s{place}", rules=[rule(place)])


async def count_copies(url: str, name: str) -> int:
    async with connect(url) as client:
        return sum(int(view["messages"]) for view in await client.topic(name).subscriptions())


async def drop(url: str, name: str) -> None:
    async with connect(url) as client:
        await client.topic(name).delete()


TOPICS: dict[str, Callable[[Target, Any], Figures]] = {
    "fan-out-1": topic(1, everything, takers=1),
    "fan-out-10": topic(10, everything, takers=10),
    "fan-out-100": topic(100, everything, takers=100),
    "route-10": topic(10, one_kind, takers=1),
    "route-100": topic(100, one_kind, takers=1),
    "route-100-sql": topic(100, one_kind_by_sql, takers=1),
}
