"""MQTT: signals from one or many to one, ten or a thousand, and connections that do nothing."""

import resource
import time
from collections.abc import Callable

from bench.brokers import Target
from bench.generator import Generator
from bench.idle import idle
from bench.mqtt_peer import MqttPeer
from bench.window import WARM_SECONDS, Effort, Figures, watch

SIZE = 1024
WINDOW = 500  # messages on their way to each subscriber, when there are few
WINDOW_DELIVERIES = 5_000  # all together, when there are many
IDLE_COUNT = 10_000
FILES_SPARE = 200


def signals(publishers: int, subscribers: int, qos: int) -> Callable[[Target, Effort], Figures]:
    """Messages of 1 KiB that all subscribers have; with QoS 1, in sessions that are kept."""

    def measure(target: Target, effort: Effort) -> Figures:
        process = Generator(
            "signals",
            url=target.url,
            address=f"b{time.monotonic_ns()}",
            publishers=publishers,
            subscribers=subscribers,
            qos=qos,
            size=SIZE,
            window=min(WINDOW, max(10, WINDOW_DELIVERIES // subscribers)),
            seconds=effort.seconds + WARM_SECONDS,
        )
        window = watch(target, effort, [process])
        got = process.result()
        figures = window.figures([got["series"]], copies=True)
        figures["lost"] = got["sent"] * subscribers - got["received"]
        return figures

    return measure


def idle_clients(target: Target, _effort: Effort) -> Figures:
    """10,000 clients that are connected, with a subscription each, and say nothing."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE_COUNT + FILES_SPARE:
        return {}
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def connect(number: int) -> MqttPeer:
        peer = MqttPeer(target.url, f"idle-{number}")
        peer.subscribe(f"idle/{number}", 0)
        return peer

    return idle(target, IDLE_COUNT, connect)


SIGNALS: dict[str, Callable[[Target, Effort], Figures]] = {
    "mqtt-q0-1-1": signals(1, 1, 0),
    "mqtt-q0-1-10": signals(1, 10, 0),
    "mqtt-q0-1-1000": signals(1, 1000, 0),
    "mqtt-q0-100-1": signals(100, 1, 0),
    "mqtt-q1-1-1": signals(1, 1, 1),
    "mqtt-q1-1-10": signals(1, 10, 1),
    "mqtt-q1-1-1000": signals(1, 1000, 1),
    "mqtt-q1-100-1": signals(100, 1, 1),
    "mqtt-idle": idle_clients,
}
