"""Whatever is done, and wherever it crashes: recovery builds what was, and finds every body.

Snapshots are taken, segments emptied and freed between and during what receivers do; an image
of the disk is kept before every step that makes something durable or deletes it, and each is
recovered: once with all that was written, once without what was not synced, and once with the
newest snapshot damaged, for which the one before stands in.
"""

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from peeklock.engine.relay import redrive
from peeklock.entities.dispositions import (
    ABANDON,
    COMPLETE,
    DEFER,
    RELEASE,
    Disposition,
    Verdict,
)
from peeklock.entities.queue_index import READY
from peeklock.entities.submission import CLEAR, KEEP
from peeklock.protocols.amqp10.sections import DataBody, Properties, encode_bare
from tests.support.changes import job, setting
from tests.support.disk_house import (
    DiskHouse,
    Image,
    bodies_of,
    live_bytes_of,
    quick_folder,
    recover,
    with_a_damaged_snapshot,
    without_what_was_not_synced,
)
from tests.support.house import pictures

SESSION_COUNT = 3
SUBJECT_COUNT = 5
IMAGES_MAX = 16  # an example; the last ones are where segments go
DEAD_LETTER = Disposition(Verdict.DEAD_LETTER, reason="bad", description="why")
LATER = Disposition(Verdict.ABANDON, not_before=5_000_000)
TRIED = setting(Verdict.ABANDON, tried=True)
CHANGED = [TRIED, setting(Verdict.DEFER, place="x" * 40), setting(Verdict.DEAD_LETTER, bad=1)]

steps = st.one_of(
    st.tuples(st.just("send"), st.integers(1, 8), st.sampled_from([10, 300, 900, 6000])),
    st.tuples(st.just("send"), st.integers(4, 8), st.just(900)),
    st.tuples(st.just("publish"), st.integers(1, 4), st.sampled_from([10, 900])),
    st.tuples(st.just("keep"), st.integers(1, 6), st.sampled_from([10, 900])),
    st.tuples(st.just("clear"), st.integers(1, 3), st.none()),
    st.tuples(
        st.just("take copies"),
        st.sampled_from([1, 2, 5, 20]),
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from([COMPLETE, COMPLETE, RELEASE, DEAD_LETTER, *CHANGED]),
        ),
    ),
    st.tuples(st.just("send in sessions"), st.integers(1, 6), st.sampled_from([10, 900])),
    st.tuples(
        st.just("take a session"),
        st.sampled_from([1, 2, 5, 20]),
        st.sampled_from(
            [COMPLETE, COMPLETE, ABANDON, LATER, RELEASE, DEFER, DEAD_LETTER, *CHANGED]
        ),
    ),
    st.tuples(st.just("schedule"), st.integers(1, 3), st.integers(0, 300)),
    st.tuples(st.just("hold"), st.integers(1, 4), st.none()),
    st.tuples(
        st.just("settle"),
        st.sampled_from([1, 2, 5, 20, 50]),
        st.sampled_from(
            [
                *(COMPLETE, COMPLETE, COMPLETE, ABANDON, LATER, RELEASE, DEFER, DEAD_LETTER),
                *CHANGED,
            ]
        ),
    ),
    st.tuples(st.just("redrive"), st.integers(1, 3), st.none()),
    st.tuples(st.just("sync"), st.none(), st.none()),
    st.tuples(st.just("housekeep"), st.none(), st.none()),
    st.tuples(st.just("housekeep"), st.none(), st.none()),
)


def do(disk: DiskHouse, what: str, count: int, more: object) -> None:
    if what.endswith(("a session", "in sessions")):
        do_in_sessions(disk, what, count, more)
    elif what in ("keep", "clear"):
        do_with_last_values(disk, what, count, more)
    else:
        do_in_queue_or_topic(disk, what, count, more)


def do_with_last_values(disk: DiskHouse, what: str, count: int, more: object) -> None:
    """With subscriptions that take copies of them, and in a topic that nobody listens to."""
    house = disk.house
    for name in ("tickets", "rooms"):
        topic = house.namespace.find_topic(name)
        for place in range(count):
            subject = Properties(subject=f"a/{(disk.journal.end + place) % SUBJECT_COUNT}")
            size = 0 if more is None else int(str(more))
            body = DataBody([b"%d:" % disk.journal.end + b"x" * size])
            bare = encode_bare(subject, None, body)
            house.send(topic, bare, last_value=KEEP if what == "keep" else CLEAR)


def do_in_sessions(disk: DiskHouse, what: str, count: int, more: object) -> None:
    house = disk.house
    queue = house.namespace.find("sessions")
    if what == "send in sessions":
        for place in range(count):
            body = job(b"%d:" % disk.journal.end + b"x" * int(str(more)))
            house.send(queue, body, session_id=f"session-{place % SESSION_COUNT}")
        return
    assert isinstance(more, Disposition)
    receiver = house.seek(queue, None, count)
    tokens = house.held(receiver)
    if tokens:
        house.engine.settle_tokens(queue, tokens, more, house.now)
    house.engine.detach(receiver, house.now)


def do_in_queue_or_topic(disk: DiskHouse, what: str, count: int, more: object) -> None:
    house = disk.house
    if what == "send":
        for _ in range(count):
            body = job(b"%d:" % disk.journal.end + b"x" * int(str(more)))
            house.send(disk.queue, body)
    elif what == "publish":
        topic = house.namespace.find_topic("tickets")
        for _ in range(count):
            body = job(b"%d:" % disk.journal.end + b"x" * int(str(more)))
            house.send(topic, body)
    elif what == "take copies":
        assert isinstance(more, tuple)
        which, how = more
        queue = house.namespace.find(f"tickets/Subscriptions/{which}")
        tokens = house.held(disk.lock(count, queue))
        if tokens:
            house.engine.settle_tokens(queue, tokens, how, house.now)
    elif what == "schedule":
        for _ in range(count):
            body = job(b"later %d" % disk.journal.end)
            house.send(disk.queue, body, not_before=house.now + 1_000_000)
    elif what == "hold":
        disk.lock(count)
    elif what == "settle":
        assert isinstance(more, Disposition)
        tokens = house.held(disk.lock(count))
        if tokens:
            house.engine.settle_tokens(disk.queue, tokens, more, house.now)
    elif what == "redrive":
        ready = [n for n, entry in disk.dead.entries.items() if entry.state == READY][:count]
        if ready:
            facts = redrive(house.namespace, disk.dead, ready, house.now)
            house.engine.commit(disk.dead, facts, house.now)
    elif what == "sync":
        house.sync()
    else:
        disk.begin_housekeeping()


def check(
    disk: DiskHouse,
    image: Image,
    *,
    damage_count: int = 0,
) -> None:
    recovered = recover(image.folder)
    try:
        report = recovered.report
        assert len(report.damages) == damage_count, report.damages
        assert report.end >= image.durable, "what was durable is lost"
        assert recovered.restorer.left_out_count == 0
        assert recovered.restorer.stand_ins == []
        now = disk.house.now
        expected = disk.expected(report.end)
        assert pictures(recovered.namespace, now) == pictures(expected, now)
        assert recovered.live._areas == live_bytes_of(recovered.namespace)
        bodies = disk.bodies(report.end)
        for key, body in bodies_of(recovered).items():
            assert body == bodies[key]
    finally:
        recovered.journal.close()


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(steps, min_size=25, max_size=60))
def test_a_crash_anywhere_leaves_what_was(life: list[tuple[str, int, object]]) -> None:
    root = quick_folder()
    images: list[Image] = []
    disk = DiskHouse(root / "data")
    disk.open_topic("a", "b", "c")
    disk.open_sessions()
    disk.open_rooms()
    try:
        with pytest.MonkeyPatch.context() as patch, disk.crashing(patch, images):
            for what, count, more in life:
                do(disk, what, count, more)
                disk.go_on()
            disk.finish()
        assert disk.live._areas == live_bytes_of(disk.house.namespace)
        images.append(Image(disk.folder, disk.journal.durable))
        for image in images[-IMAGES_MAX:]:
            synced = without_what_was_not_synced(image)
            damaged = with_a_damaged_snapshot(image)
            check(disk, image)
            check(disk, synced)
            if damaged is not None:
                check(disk, damaged, damage_count=1)
    finally:
        disk.close()
        shutil.rmtree(root)
