"""`make bench`: measure, compare, print a table, keep the figures.

Both sides of a comparison run in turn, scenario by scenario, in this one run: the machine is
shared and noisy, so only ratios within a run mean much. Each figure is the median of the
rounds.
"""

import argparse
import json
import platform
import statistics
import time
from contextlib import ExitStack
from pathlib import Path

from bench.brokers import Target, mosquitto, peeklock, rabbitmq, rabbitmq_mqtt
from bench.scenarios import SCENARIOS, generator_alone, start_up
from bench.signals import SIGNALS
from bench.system import machine
from bench.window import Effort, Figures
from peeklock.build_info import describe

RESULTS = Path(__file__).parent / "results"
HIGHER_IS_BETTER = {
    "msgs_per_s",
    "copies_per_s",
    "fill_msgs_per_s",
    "drain_msgs_per_s",
    "sessions_per_s",
}
NO_RATIO = {"lost", "rate"}
Table = dict[str, dict[str, Figures]]  # scenario → target → figures


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument(
        "--against", metavar="URL", help="a RabbitMQ 4: its quorum and its classic queues"
    )
    parser.add_argument(
        "--mqtt-against",
        metavar="URL",
        help="a RabbitMQ 4 with its MQTT plugin; Mosquitto is started here when there is one",
    )
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS))
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--save", metavar="NAME", default="local", help="bench/results/NAME.json"
    )
    return parser.parse_args()


def main() -> None:
    given = read_arguments()
    effort = Effort(given.seconds)
    print(f"{describe()}, {machine()}")
    found: Table = {}
    if not given.scenario:
        found["start-up"] = {"peeklock": start_up()}
        show("start-up", found["start-up"])
    for size in (1024, 100):
        name = f"generator alone, {size} B"
        found[name] = {"generator": generator_alone(size, given.seconds)}
        show(name, found[name])
    for scenario in given.scenario or SCENARIOS:
        found[scenario] = measure(scenario, effort, given)
        show(scenario, found[scenario])
    save(found, given)


def measure(scenario: str, effort: Effort, given: argparse.Namespace) -> dict[str, Figures]:
    """Round by round, each target in turn, each of ours with a broker of its own."""
    rows: dict[str, list[Figures]] = {}
    for number in range(given.rounds):
        with ExitStack() as stack:
            for target in targets_of(scenario, stack, given):
                print(
                    f"  {scenario}, round {number + 1} of {given.rounds}: {target.name}",
                    flush=True,
                )
                rows.setdefault(target.name, []).append(SCENARIOS[scenario](target, effort))
    return {name: median(figures) for name, figures in rows.items()}


def targets_of(scenario: str, stack: ExitStack, given: argparse.Namespace) -> list[Target]:
    if scenario in SIGNALS:
        others = [mosquitto(stack)]
        if given.mqtt_against:
            others.append(rabbitmq_mqtt(given.mqtt_against))
        return [peeklock(stack, "mqtt"), *(one for one in others if one is not None)]
    if not given.against:
        return [peeklock(stack)]
    queues = [rabbitmq(given.against, kind) for kind in ("quorum", "classic")]
    return [peeklock(stack), *queues]


def median(rounds: list[Figures]) -> Figures:
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def show(scenario: str, figures: dict[str, Figures]) -> None:
    print(f"\n{scenario}")
    ours = figures.get("peeklock", {})
    for target, values in figures.items():
        cells = [
            f"{name} {value:,}{versus(name, ours, value, target)}"
            for name, value in values.items()
        ]
        print(f"  {target:18} " + "  ".join(cells), flush=True)


def versus(name: str, ours: Figures, theirs: float, target: str) -> str:
    """How much better we are: above 1 is better, whichever way the figure counts."""
    if target == "peeklock" or name in NO_RATIO or not ours.get(name) or not theirs:
        return ""
    better = ours[name] / theirs if name in HIGHER_IS_BETTER else theirs / ours[name]
    return f" (ours is {better:.2f} × as good)"


def save(found: Table, given: argparse.Namespace) -> None:
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{given.save}.json"
    document = {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "build": describe(),
        "machine": machine() | {"kernel": platform.release()},
        "against": "RabbitMQ" if given.against or given.mqtt_against else None,
        "seconds": given.seconds,
        "rounds": given.rounds,
        "figures": found,
    }
    file.write_text(json.dumps(document, indent=2) + "\n")
    print(f"\nwritten to {file}")


if __name__ == "__main__":
    main()
