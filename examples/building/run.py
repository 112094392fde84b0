"""The whole story: a day of the site, with one of its crew killed, counted at the end."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from peeklock_client import Client, NotFound, PeeklockError, Queue, connect
from peeklock_client.demo.building.audit import (
    Outcome,
    alerts_owed,
    by_derivation,
    unoccupied,
)
from peeklock_client.demo.building.controllers import Controllers
from peeklock_client.demo.building.crew import QUEUES, Log
from peeklock_client.demo.building.day import NOON, STEPS, Day
from peeklock_client.demo.building.site import SITE
from peeklock_client.demo.places import Places
from peeklock_client.location import Location

FILE = Path(__file__).parent / "building.toml"
ASKED = "41"  # the building that is asked about at noon
SILENT = "silent"
WORDS = {  # of the report, by derivation
    "fire": "fires",
    "gas": "gas alerts",
    "climate": "floors that were too warm or too cold",
    "presence": "people there at night",
    SILENT: "controllers that fell silent",
}
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 60.0  # after the day
LAST_WORD_SECONDS = 5.0
REFUSAL_CHARACTERS = 300  # of it are shown


class Crew:
    """Two processes that compete for all jobs."""

    def __init__(self, url: str | None, file: Path) -> None:
        environment = dict(os.environ)
        if url is not None:
            environment["PEEKLOCK_URL"] = url
        words = [sys.executable, "-m", "peeklock_client.demo.building.crew", str(file)]
        # What a worker logs when it is killed or its peer ends is no part of the story.
        self.members = [
            subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
            for _ in range(2)
        ]
        self.victim = 0

    def kill_one_at_work(self, log: Log, console: Console) -> None:
        """SIGKILL for one that has a job in hand, if there is one."""
        for one in self.members:
            if not log.in_hand(one.pid):
                continue
            one.send_signal(signal.SIGSTOP)  # it shall not be done between look and end
            in_hand = log.in_hand(one.pid)
            if in_hand == 0:
                one.send_signal(signal.SIGCONT)
            else:
                one.kill()
                one.wait()
                self.members.remove(one)
                self.victim = one.pid
                console.print(f"killed worker {one.pid} (kill -9) with {in_hand} jobs in hand")
                return

    def check(self) -> None:
        for one in self.members:
            if one.poll() is not None:
                raise PeeklockError(f"a demo's worker ended with code {one.returncode}")

    def stop(self) -> None:
        for one in self.members:
            one.terminate()
        for one in self.members:
            try:
                one.wait(10)
            except subprocess.TimeoutExpired:
                one.kill()


async def prepare(client: Client) -> None:
    """What building.toml says, made anew, whatever an earlier run has left."""
    said: dict[str, list[dict[str, Any]]] = tomllib.loads(FILE.read_text())
    for topic in said["topics"]:
        with suppress(NotFound):
            await client.topic(topic["name"]).delete()
    for queue in said["queues"]:
        with suppress(NotFound):
            await client.queue(queue["name"]).delete()
        await client.create_queue(**queue)
    for topic in said["topics"]:
        derivations = topic.pop("derivations")
        made = await client.create_topic(**topic)
        for derivation in derivations:
            await made.derive(**derivation)


class Story:
    """One run."""

    def __init__(self, client: Client, places: Places, day: Day, console: Console) -> None:
        self._client = client
        self._http = places.http
        self._mqtt = at(client.location, places.mqtt, 1883)
        self._http_at = at(client.location, places.http, 8180)
        self._console = console
        self._day = day
        self._queues = [client.queue(name) for name in QUEUES]
        self._steps_done = 0
        self.owed = alerts_owed(day)
        self.said: set[str] | None = None

    async def tell(self, url: str | None, file: Path, log: Log) -> tuple[Controllers, Crew]:
        """Live the day; returns when all jobs are done, or patience is over."""
        columns = TextColumn("{task.description:40}"), BarColumn(30), MofNCompleteColumn()
        with Progress(*columns, console=self._console) as progress:
            connected = progress.add_task("controllers connected", total=len(self._day.rooms))
            hours = progress.add_task("the day: half hours", total=STEPS)
            owed = by_derivation(self.owed)
            bars = {
                derivation: progress.add_task(f"answered: {words}", total=owed[derivation])
                for derivation, words in WORDS.items()
            }
            controllers = await Controllers.connect(
                self._mqtt, self._day.rooms, lambda: progress.advance(connected)
            )
            crew = Crew(url, file)
            loop = asyncio.get_running_loop()
            beating = loop.create_task(controllers.beat_forever())
            living = loop.create_task(self._live(controllers, progress, hours))
            try:
                await self._watch(crew, log, living, beating, progress, bars)
            finally:
                await self._expect_silence()
                living.cancel()
                beating.cancel()
                crew.stop()
        controllers.leave()
        return controllers, crew

    async def _expect_silence(self) -> None:
        """All controllers are about to leave, however the day has ended: nothing is broken."""
        with suppress(PeeklockError, TimeoutError):
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await self._client.topic(SITE).remove_derivation(SILENT)

    async def _live(self, controllers: Controllers, progress: Progress, bar: TaskID) -> None:
        async for step in controllers.live(self._day):
            self._steps_done = step + 1
            progress.update(bar, completed=step + 1)
            if step == NOON:
                self.said = await self._ask_who_is_away()

    async def _watch(
        self,
        crew: Crew,
        log: Log,
        living: asyncio.Task[None],
        beating: asyncio.Task[None],
        progress: Progress,
        bars: dict[str, TaskID],
    ) -> None:
        deadline = None
        while deadline is None or time.monotonic() < deadline:
            crew.check()
            if beating.done():
                await beating
            answered = log.answered()
            for derivation, count in by_derivation(answered).items():
                progress.update(bars[derivation], completed=count)
            if not crew.victim and self._steps_done * 2 >= STEPS:
                crew.kill_one_at_work(log, self._console)
            if living.done():
                await living
                deadline = deadline or time.monotonic() + PATIENCE_SECONDS
                if not self.owed - answered and await self._are_empty():
                    return
            await asyncio.sleep(LOOK_SECONDS)

    async def _are_empty(self) -> bool:
        infos = [await queue.info() for queue in self._queues]
        return all(info["messages"] == 0 for info in infos)

    async def _ask_who_is_away(self) -> set[str] | None:
        """Over HTTP: which rooms of a building are unoccupied? None where there is no HTTP."""
        where = self._http_at
        scheme = "https" if where.tls else "http"
        base = f"{scheme}://{where.host}:{where.port}"
        login = aiohttp.BasicAuth(where.user, where.password or "") if where.user else None
        found: set[str] = set()
        url: str | None = f"{base}/{SITE}/last/building/{ASKED}"
        query: dict[str, str] | None = {"filter": "NOT occupied"}
        try:
            async with aiohttp.ClientSession(auth=login) as session:
                while url is not None:
                    async with session.get(url, params=query) as answer:
                        if answer.status != 200:
                            said = (await answer.text())[:REFUSAL_CHARACTERS]
                            raise PeeklockError(f"{url}: {answer.status} {said}")
                        events = await answer.json(content_type=None)
                        found |= {event["subject"] for event in events}
                        link = answer.links.get("next")
                        url, query = (str(link["url"]) if link else None), None
        except aiohttp.ClientConnectionError:
            if self._http is not None:
                raise PeeklockError(f"no HTTP at {self._http}") from None
            return None
        return found


def at(amqp: Location, place: str | None, port: int) -> Location:
    """Another protocol's port, with the same user."""
    if place is None:
        return replace(amqp, port=port)
    host, _, number = place.rpartition(":")
    return replace(amqp, host=host.strip("[]"), port=int(number))


async def run_demo(places: Places, rooms_of_a_unit: int, console: Console) -> Outcome:
    """Run it; the outcome says whether an alert was lost."""
    began = time.monotonic()
    day = Day(rooms_of_a_unit)
    with tempfile.TemporaryDirectory(prefix="peeklock-building-") as folder:
        file = Path(folder) / "crew.sqlite"
        log = Log(file)
        async with connect(places.amqp) as client:
            story = Story(client, places, day, console)
            await prepare(client)
            controllers, crew = await story.tell(places.amqp, file, log)
            outcome = summary(day, story, controllers, log, crew)
            outcome.dead_letters = await dead_letter_count(client)
            outcome.seconds = time.monotonic() - began
        log.close()
        return outcome


def summary(day: Day, story: Story, controllers: Controllers, log: Log, crew: Crew) -> Outcome:
    said = story.said
    period_seconds = silent_period_seconds()
    return Outcome(
        rooms=len(day.rooms),
        signals=sum(one.signal_count for one in controllers.all),
        repeated=sum(one.repeated_count for one in controllers.all),
        heartbeats=sum(one.beat_count for one in controllers.all),
        owed=story.owed,
        answered=log.answered(),
        jobs=log.jobs(),
        is_one_killed=crew.victim != 0,
        taken_over=log.taken_over(crew.victim),
        late={one.room.key for one in controllers.all if one.silence_seconds >= period_seconds},
        dead_letters=0,
        said_unoccupied=None if said is None else len(said),
        is_said_right=said is None or said == unoccupied(day, ASKED, NOON),
        seconds=0.0,
    )


def silent_period_seconds() -> float:
    [topic] = tomllib.loads(FILE.read_text())["topics"]
    [silent] = [one for one in topic["derivations"] if one["name"] == SILENT]
    return float(silent["period_ms"]) / 1000


async def dead_letter_count(client: Client) -> int:
    queues: list[Queue] = [client.queue(name).dead_letters for name in QUEUES]
    return sum([int((await queue.info())["messages"]) for queue in queues])


def report(outcome: Outcome, console: Console) -> None:
    """What happened, in the words of those who live there."""
    console.print(
        f"\n{outcome.rooms} rooms: {outcome.signals} signals over MQTT, {outcome.repeated} of"
        f" them sent twice, {outcome.heartbeats} heartbeats, in {outcome.seconds:.1f} s"
    )
    owed = by_derivation(outcome.owed)
    for derivation, words in WORDS.items():
        console.print(f"  {owed[derivation]:6} {words}: {outcome.jobs[derivation]} jobs")
    console.print(f"{outcome.jobs.total()} jobs done, each once")
    if outcome.is_one_killed:
        console.print(f"  {outcome.taken_over:6} taken over from the worker that was killed")
    else:
        console.print("nobody of the crew was killed: none had a job in hand")
    if outcome.said_unoccupied is None:
        console.print("nobody was asked for unoccupied rooms: there is no HTTP")
    else:
        right = "as the sensors said" if outcome.is_said_right else "which is wrong"
        console.print(
            f"{outcome.said_unoccupied} rooms in building {ASKED} were unoccupied at noon, says"
            f" HTTP, {right}"
        )
    console.print(f"{outcome.dead_letters} dead letters")
    tell_faults("alerts without a job", outcome.missing, console)
    tell_faults("jobs without an alert, or once too often", outcome.surplus, console)


def tell_faults(words: str, faults: Counter[tuple[str, str]], console: Console) -> None:
    console.print(f"{faults.total()} {words}")
    for (derivation, about), count in faults.most_common(10):
        console.print(f"  {count:6} {derivation} {about}")
