"""`python -m bench.filters`: what a filter costs, in microseconds.

Two figures a filter: *alone*, on properties that were read already, as for the second and every
further rule of a topic; and *with message*, where its sections are read first, as for the
first. In a built checkout it measures the compiled core; `PYTHONPATH=broker` before it measures
plain Python. The last lines are what a text costs once: importing the parser library, making
the tables, parsing.
"""

import subprocess
import sys
import timeit
from collections.abc import Callable

from bench.system import machine
from peeklock.build_info import describe
from peeklock.filters.correlation import CorrelationFilter
from peeklock.filters.filter import (
    Filter,
    TrueFilter,
    cesql_filter,
    selector,
    sql_filter,
)
from peeklock.filters.view import SystemProperty
from peeklock.frontends.amqp_view import MessageView
from peeklock.message import Message
from peeklock.protocols.amqp10.primitives import encode_value
from peeklock.protocols.amqp10.sections import Properties, encode_bare
from peeklock.server.system import SystemIds
from peeklock.types import UnixMs

NOW = UnixMs(1_767_268_800_000)
MESSAGE = Message(
    encode_bare(
        Properties(
            message_id="4711", to="orders", subject="order.created", correlation_id="c-1"
        ),
        {
            "color": "red",
            "quantity": 12,
            "price": 9.5,
            "region": "eu-north-1",
            "urgent": True,
            "cloudEvents:type": "com.example.order",
            "cloudEvents:level": 7,
        },
    )
    + b"\x00\x53\x75"
    + encode_value(b"x" * 1024)
)
FILTERS: dict[str, Filter] = {
    "true": TrueFilter(),
    "correlation: one property": CorrelationFilter({}, {"color": "red"}),
    "correlation: label and two": CorrelationFilter(
        {SystemProperty.LABEL: "order.created"}, {"color": "red", "quantity": 12}
    ),
    **{
        f"sql: {text}": sql_filter(text)
        for text in (
            "color = 'red'",
            "color = 'red' AND quantity > 10 AND urgent",
            "sys.Label LIKE 'order.%' AND region IN ('eu-north-1', 'eu-west-1')",
            "quantity * price > 100 OR region NOT LIKE '%_north_%' OR missing IS NOT NULL",
            "Color = 'red'",  # in another case than the sender's
        )
    },
    **{
        f"jms: {text}": selector(text)
        for text in ("color = 'red' AND quantity BETWEEN 10 AND 20", "JMSPriority > 4")
    },
    **{
        f"cesql: {text}": cesql_filter(text)
        for text in (
            "type = 'com.example.order' AND level > 5",
            "type LIKE 'com.example.%' AND NOT EXISTS subject",
            "missing = 'x'",
        )
    },
}


def view() -> MessageView:
    return MessageView(MESSAGE, IDS, NOW)


IDS = SystemIds()
ROUND = 20_000


def microseconds(work: Callable[[], object]) -> float:
    """The best of five rounds: the machine is noisy, and noise only adds."""
    return min(timeit.repeat(work, number=ROUND, repeat=5)) / ROUND * 1e6


def with_the_message(one: Filter) -> Callable[[], object]:
    return lambda: one.matches(view())


def alone(one: Filter) -> Callable[[], object]:
    shown = view()
    one.matches(shown)
    return lambda: one.matches(shown)


def once(text: str) -> float:
    """Milliseconds until a fresh process has its first filter, less those of the process."""
    code = f"import time; a = time.perf_counter(); {text}; print(time.perf_counter() - a)"
    runs = [
        float(
            subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        )
        for _ in range(3)
    ]
    return min(runs) * 1e3


def main() -> None:
    print(f"{describe()}, {machine()}")
    print(f"{'alone':>9} {'with message':>13}   µs")
    for name, one in FILTERS.items():
        known, read = microseconds(alone(one)), microseconds(with_the_message(one))
        print(f"{known:9.2f} {read:13.2f}   {name}")
    setup = "from peeklock.filters.filter import sql_filter"
    print(f"{once(setup):9.1f} ms   importing filters, without a text")
    print(f"{once(setup + '; sql_filter(chr(97))'):9.1f} ms   and up to the first text")
    from peeklock.filters.dialects import SQL
    from peeklock.filters.filter import compiled as compile_text

    text = "sys.Label LIKE 'order.%' AND region IN ('eu-north-1', 'eu-west-1')"
    each = min(timeit.repeat(lambda: compile_text(text, SQL, {}), number=100, repeat=5)) * 10
    print(f"{each:9.2f} ms   each further text of {len(text)} characters")


if __name__ == "__main__":
    main()
