"""MQTT: signals from one or many to one, ten or a thousand, and connections that do nothing."""

import resource
import time
from collections.abc import Callable

from bench.brokers import Target
from bench.generator import Generator
from bench.mqtt_peer import MqttPeer
from bench.system import rss_mib
from bench.window import WARM_SECONDS, Effort, Figures, Window

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
        process.go()
        time.sleep(WARM_SECONDS)
        window = Window(target)
        time.sleep(effort.seconds - 0.3)
        window.close()
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
    before = rss_mib(target.pid) if target.pid else 0.0
    began = time.perf_counter()
    peers: list[MqttPeer] = []
    for number in range(IDLE_COUNT):
        peer = MqttPeer(target.url, f"idle-{number}")
        peer.subscribe(f"idle/{number}", 0)
        peers.append(peer)
    opened = time.perf_counter() - began
    figures: Figures = {"open_all_s": round(opened, 2)}
    if target.pid:
        time.sleep(1.0)
        after = rss_mib(target.pid)
        figures["rss_mib"] = round(after, 1)
        figures["kib_per_connection"] = round((after - before) * 1024 / IDLE_COUNT, 1)
    for peer in peers:
        peer.close()
    return figures


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
