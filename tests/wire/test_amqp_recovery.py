"""Links that come again (§2.6.13): unsettled maps, resumed deliveries, settle mode second.

What a sender's map and the broker's say together of a delivery (§2.6.13). "Any" is no state,
part of the message (received), or any outcome; "–" is a tag that is not in the map:

    at the sender   at the broker   then
    any             accepted        it is told so, and resumed, not taken twice
    any             –               it is sent again; what is resumed is ignored (§2.7.5)
    –               accepted        the broker forgets it

And of one that the peer receives:

    at the broker   at the receiver then
    held            no state        the same delivery again, by its tag
    held            received        it is given back, told, and comes anew, whole
    held            an outcome      it is settled so, and told
    settled         an outcome      the broker's outcome is told
    settled         none, received  the same, and what there is of the message is aborted
    held            –               free again, for anybody
    settled         –               the broker forgets it
    –               any             the lock was lost; its tag is in no map, nothing is resumed

The broker has no message in part, and keeps nothing of what it refused: to senders that is "–".
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.amqp_bytes import (
    ABANDONED,
    ACCEPTED,
    DEFERRED,
    RELEASED,
    Composite,
    Raw,
    binary,
    composite,
    data_section,
    decode,
    frame,
    map_,
    null,
    rejected,
)
from tests.support.amqp_peer import AmqpPeer, Heard
from tests.support.broker_process import BrokerProcess

RECEIVED = composite("received", section_number=0, section_offset=0)
OUTCOMES = {
    "accepted": ACCEPTED,
    "rejected": rejected("app:bad", "no"),
    "released": RELEASED,
    "failed": ABANDONED,
    "deferred": DEFERRED,
}
ANY: dict[str, Raw | None] = {"none": None, "received": RECEIVED, **OUTCOMES}
any_state = pytest.mark.parametrize("state", ANY.values(), ids=ANY)
KEPT = {"durable": 2, "expiry_policy": "never"}  # a terminus that outlives its connection


def unsettled(**states: Raw | None) -> Raw:
    return tags({tag.encode(): state for tag, state in states.items()})


def tags(states: dict[bytes, Raw | None]) -> Raw:
    return map_((binary(tag), state or null()) for tag, state in states.items())


def told(attach: Heard) -> dict[bytes, str | None]:
    """The broker's map, states by their names."""
    found = attach["unsettled"] or {}
    assert isinstance(found, dict)
    names: dict[bytes, str | None] = {}
    for tag, state in found.items():
        assert state is None or isinstance(state, Composite)
        names[bytes(tag)] = None if state is None else state.name
    return names


class Recovering:
    """One container, whose connections come and go."""

    def __init__(self, broker: BrokerProcess, queue: str, name: str = "container") -> None:
        self.broker = broker
        self.queue = queue
        self.name = f"{name}-of-{queue}"
        self.peers: list[AmqpPeer] = []

    def connect(self, **given: object) -> AmqpPeer:
        peer = AmqpPeer(self.broker.amqp_port)
        self.peers.append(peer)
        peer.open(container_id=self.name, **given)
        peer.begin()
        return peer

    def cut(self) -> None:
        """The connections break: no detach, no end, no close."""
        for peer in self.peers:
            peer.socket.close()
        self.peers.clear()

    def sender(self, states: Raw | None = None, **given: object) -> tuple[AmqpPeer, Heard]:
        peer = self.connect()
        wanted: dict[str, object] = {
            "name": "out",
            "snd_settle_mode": 0,
            "rcv_settle_mode": 1,
            "target": composite("target", address=self.queue, **KEPT),
            "unsettled": states,
        }
        return peer, peer.attach_sender(self.queue, 0, **(wanted | given))

    def receiver(
        self, states: Raw | None = None, credit: int = 0, **given: object
    ) -> tuple[AmqpPeer, Heard]:
        peer = self.connect()
        wanted: dict[str, object] = {
            "name": "in",
            "snd_settle_mode": 0,
            "rcv_settle_mode": 1,
            "source": composite("source", address=self.queue, **KEPT),
            "unsettled": states,
        }
        heard = peer.attach_receiver(self.queue, 0, **(wanted | given))
        if credit:
            peer.credit(credit)
        return peer, heard


@pytest.fixture
def one(shared: BrokerProcess, queue: str) -> Iterator[Recovering]:
    recovering = Recovering(shared, queue)
    yield recovering
    recovering.cut()


def bodies(broker: BrokerProcess, queue: str) -> list[object]:
    """What can be received now, by somebody else."""
    with AmqpPeer(broker.amqp_port) as peer:
        peer.open(container_id="auditor")
        peer.begin()
        peer.attach_receiver(queue, 0)
        peer.credit(100, drain=True)
        found: list[object] = []
        while True:
            heard = peer.next_frame()
            if heard.name == "flow":
                return found
            payload = heard.payload
            at = payload.rindex(b"\x00\x53\x75")  # the data section
            found.append(bytes(decode(payload[at + 3 :])[0]))  # type: ignore[arg-type]


def take(peer: AmqpPeer, tag: bytes, number: int = 0, body: bytes = b"job") -> None:
    """Send one, hear that it is accepted, and do not settle it."""
    peer.transfer(number, data_section(body), delivery_tag=tag)
    answer = peer.expect("disposition", role=True, first=number, settled=False)
    assert isinstance(answer["state"], Composite)
    assert answer["state"].name == "accepted"


class TestSettleModeSecond:
    """§2.8.3: the receiver settles after the sender has."""

    def test_accepted_is_not_settled_before_the_sender_settles(self, one: Recovering) -> None:
        peer, heard = one.sender()
        assert heard["rcv-settle-mode"] == 1
        take(peer, b"a")
        peer.send("disposition", role=False, first=0, settled=True)
        peer.ping()

    def test_rejected_neither(self, one: Recovering) -> None:
        peer, _heard = one.sender()
        peer.transfer(0, b"\x00no message", delivery_tag=b"a")
        answer = peer.expect("disposition", settled=False)
        assert isinstance(answer["state"], Composite)
        assert answer["state"].name == "rejected"

    def test_credit_comes_back_with_settling(self, one: Recovering) -> None:
        peer = one.connect()
        peer.send(
            "attach", name="out", handle=0, role=False, snd_settle_mode=0, rcv_settle_mode=1,
            source=composite("source"), target=composite("target", address=one.queue, **KEPT),
            initial_delivery_count=0,
        )  # fmt: skip
        peer.expect("attach")
        assert peer.expect("flow")["link-credit"] == 1000
        for number in range(600):
            peer.transfer(number, data_section(b"job"))
        heard: object = -1
        while heard != 599:
            answer = peer.expect("disposition", settled=False)
            heard = answer["last"] if answer["last"] is not None else answer["first"]
        peer.ping()
        peer.send("disposition", role=False, first=0, last=599, settled=True)
        assert peer.expect("flow", handle=0)["link-credit"] > 700  # type: ignore[operator]


class TestSenders:
    """§2.6.13, the sender's side of the table."""

    def test_the_terminus_says_how_long_it_is_kept(self, one: Recovering) -> None:
        """§3.5.4"""
        target = composite("target", address=one.queue, timeout=600)
        _peer, heard = one.sender(target=target)
        answered = heard["target"]
        assert isinstance(answered, Composite)
        assert answered["timeout"] == 600
        assert answered["expiry-policy"] == "link-detach"
        assert answered["durable"] == 2

    def test_what_was_accepted_is_told(self, one: Recovering) -> None:
        peer, heard = one.sender()
        assert told(heard) == {}
        take(peer, b"a")
        one.cut()
        _peer, heard = one.sender(unsettled(a=None, b=None))
        assert told(heard) == {b"a": "accepted"}

    def test_what_is_not_known_is_sent_again(self, one: Recovering) -> None:
        one.sender()
        one.cut()
        peer, heard = one.sender(unsettled(a=None))
        assert told(heard) == {}
        take(peer, b"a")
        assert bodies(one.broker, one.queue) == [b"job"]

    @pytest.mark.parametrize("payload", [b"", data_section(b"job")], ids=["", "whole"])
    @any_state
    def test_what_is_resumed_is_not_taken_twice(
        self, one: Recovering, payload: bytes, state: Raw | None
    ) -> None:
        peer, _heard = one.sender()
        take(peer, b"a")
        one.cut()
        peer, heard = one.sender(unsettled(a=state))
        assert told(heard) == {b"a": "accepted"}
        peer.transfer(7, payload, delivery_tag=b"a", resume=True, state=state)
        answer = peer.expect("disposition", first=7, settled=False)
        assert isinstance(answer["state"], Composite)
        assert answer["state"].name == "accepted"
        peer.send("disposition", role=False, first=7, settled=True)
        peer.ping()
        one.cut()
        _peer, heard = one.sender(unsettled(a=None))
        assert told(heard) == {}, "it was settled by both"
        assert bodies(one.broker, one.queue) == [b"job"]

    def test_resumed_in_two_transfers(self, one: Recovering) -> None:
        peer, _heard = one.sender()
        take(peer, b"a")
        one.cut()
        peer, _heard = one.sender(unsettled(a=None))
        peer.transfer(7, b"\x00\x53", delivery_tag=b"a", resume=True, more=True)
        peer.transfer(None, b"\x75\xa0\x00")
        peer.expect("disposition", first=7, settled=False)

    @pytest.mark.parametrize("how", [{"settled": True}, {"aborted": True}])
    def test_resumed_to_be_settled(self, one: Recovering, how: dict[str, object]) -> None:
        peer, _heard = one.sender()
        take(peer, b"a")
        one.cut()
        peer, _heard = one.sender(unsettled(a=ACCEPTED))
        peer.transfer(7, b"", delivery_tag=b"a", resume=True, state=ACCEPTED, **how)
        peer.ping()
        one.cut()
        _peer, heard = one.sender(unsettled(a=None))
        assert told(heard) == {}

    @any_state
    def test_resumed_but_unknown_is_ignored(self, one: Recovering, state: Raw | None) -> None:
        """§2.7.5 resume: so a sender need not wait for the broker's map. What is new comes."""
        peer, heard = one.sender(unsettled(a=state))
        assert told(heard) == {}
        peer.transfer(7, data_section(b"job"), delivery_tag=b"a", resume=True, state=state)
        peer.ping()
        take(peer, b"b", 8, b"new")
        assert bodies(one.broker, one.queue) == [b"new"]

    def test_before_the_brokers_map_is_heard(self, one: Recovering) -> None:
        """§2.6.13: resumptions may be on their way already."""
        peer, _heard = one.sender()
        take(peer, b"a")
        one.cut()
        peer = one.connect()
        peer.send(
            "attach", name="out", handle=0, role=False, snd_settle_mode=0, rcv_settle_mode=1,
            source=composite("source"), target=composite("target", address=one.queue, **KEPT),
            initial_delivery_count=0, unsettled=unsettled(a=None, b=None),
        )  # fmt: skip
        for number, tag in enumerate((b"a", b"b")):
            peer.transfer(number, data_section(b"job"), delivery_tag=tag, resume=True)
        assert told(peer.expect("attach")) == {b"a": "accepted"}
        peer.expect("flow", handle=0)
        answer = peer.expect("disposition")
        assert (answer["first"], answer["settled"]) == (0, False)
        peer.ping()
        assert bodies(one.broker, one.queue) == [b"job"]

    def test_what_was_refused_is_not_known(self, one: Recovering) -> None:
        """Nothing came of it: whether its sender has heard so or not, it may send it again."""
        peer, _heard = one.sender()
        peer.transfer(0, b"\x00no message", delivery_tag=b"a")
        peer.expect("disposition", settled=False)
        one.cut()
        peer, heard = one.sender(unsettled(a=None))
        assert told(heard) == {}
        take(peer, b"a", body=b"better")
        assert bodies(one.broker, one.queue) == [b"better"]

    def test_its_tag_is_not_new(self, one: Recovering) -> None:
        """§2.6.12: what is unsettled at either end has the tag; it is not taken twice."""
        peer, _heard = one.sender()
        take(peer, b"a")
        one.cut()
        peer, _heard = one.sender(unsettled(a=None))
        peer.transfer(7, data_section(b"job"), delivery_tag=b"a")
        answer = peer.expect("disposition", first=7)
        assert isinstance(answer["state"], Composite)
        assert answer["state"].name == "accepted"
        assert bodies(one.broker, one.queue) == [b"job"]

    def test_without_any_map_it_begins_anew(self, one: Recovering) -> None:
        """§2.7.3 unsettled: null says that the sender remembers nothing."""
        peer, _heard = one.sender()
        take(peer, b"a")
        one.cut()
        _peer, heard = one.sender(None)
        assert told(heard) == {}
        one.cut()
        _peer, heard = one.sender(unsettled(a=None))
        assert told(heard) == {}

    def test_what_the_sender_has_settled_is_forgotten(self, one: Recovering) -> None:
        peer, _heard = one.sender()
        take(peer, b"a")
        one.cut()
        one.sender(unsettled())
        one.cut()
        _peer, heard = one.sender(unsettled(a=None))
        assert told(heard) == {}

    def test_an_incomplete_map_settles_nothing(self, one: Recovering) -> None:
        """§2.7.3 incomplete-unsettled"""
        peer, _heard = one.sender()
        take(peer, b"a")
        take(peer, b"b", 1)
        one.cut()
        one.sender(unsettled(a=None), incomplete_unsettled=True)
        one.cut()
        _peer, heard = one.sender(unsettled(a=None, b=None))
        assert told(heard) == {b"a": "accepted", b"b": "accepted"}

    def test_a_tag_may_come_again_when_it_is_settled(self, one: Recovering) -> None:
        peer, _heard = one.sender()
        take(peer, b"a")
        peer.send("disposition", role=False, first=0, settled=True)
        take(peer, b"a", 1, b"other")
        one.cut()
        _peer, heard = one.sender(unsettled(a=None))
        assert told(heard) == {b"a": "accepted"}
        assert bodies(one.broker, one.queue) == [b"job", b"other"]

    def test_closing_forgets(self, one: Recovering) -> None:
        """§2.6.4: a link that is closed is over; one that is detached is not."""
        peer, _heard = one.sender()
        take(peer, b"a")
        peer.send("detach", handle=0, closed=False)
        peer.expect("detach")
        one.cut()
        peer, heard = one.sender(unsettled(a=None))
        assert told(heard) == {b"a": "accepted"}
        peer.send("detach", handle=0, closed=True)
        peer.expect("detach")
        one.cut()
        _peer, heard = one.sender(unsettled(a=None))
        assert told(heard) == {}

    def test_time_forgets(self, one: Recovering) -> None:
        """§3.5.3 timeout"""
        target = composite("target", address=one.queue, timeout=1)
        peer, _heard = one.sender(target=target)
        take(peer, b"a")
        one.cut()
        time.sleep(1.3)
        _peer, heard = one.sender(unsettled(a=None), target=target)
        assert told(heard) == {}

    def test_the_name_is_the_containers(self, shared: BrokerProcess, one: Recovering) -> None:
        """§2.6.1: a link is named by its two containers and itself."""
        peer, _heard = one.sender()
        take(peer, b"a")
        other = Recovering(shared, one.queue, "other")
        _peer, heard = other.sender(unsettled(a=None))
        assert told(heard) == {}
        other.cut()
        one.cut()
        _peer, heard = one.sender(unsettled(a=None), name="another")
        assert told(heard) == {}

    def test_it_is_stolen_from_a_connection_that_hangs(self, one: Recovering) -> None:
        """§2.6.1, §2.8.18 stolen. What still comes on the old one is not taken."""
        old, _heard = one.sender()
        take(old, b"a")
        _peer, heard = one.sender(unsettled(a=None, b=None))
        assert told(heard) == {b"a": "accepted"}
        old.transfer(1, data_section(b"late"), delivery_tag=b"b")
        old.expect_error("detach", "amqp:link:stolen")
        assert bodies(one.broker, one.queue) == [b"job"]

    def test_settle_mode_first_is_told_too(self, one: Recovering) -> None:
        """A sender whose answer was lost on the way has it still unsettled."""
        peer, _heard = one.sender(rcv_settle_mode=0)
        peer.put(b"job")
        one.cut()
        _peer, heard = one.sender(tags({b"tag-0": None}), rcv_settle_mode=0)
        assert told(heard) == {b"tag-0": "accepted"}

    @pytest.mark.parametrize("mode", [0, 1])
    def test_a_plain_link_is_not(self, one: Recovering, mode: int) -> None:
        """Service Bus' SDK for Python says second, and never settles: the broker does."""
        target = composite("target", address=one.queue)
        peer, _heard = one.sender(rcv_settle_mode=mode, target=target)
        peer.put(b"job")
        one.cut()
        states = tags({b"tag-0": None})
        _peer, heard = one.sender(states, rcv_settle_mode=mode, target=target)
        assert heard["unsettled"] is None

    @pytest.mark.parametrize("key", [binary(bytes(33)), Raw(b"\xa1\x01a"), null()])
    def test_keys_that_are_no_tags(self, one: Recovering, key: Raw) -> None:
        peer = one.connect()
        peer.send(
            "attach", name="out", handle=0, role=False, snd_settle_mode=0, rcv_settle_mode=1,
            source=composite("source"), target=composite("target", address=one.queue, **KEPT),
            initial_delivery_count=0, unsettled=map_([(key, null())]),
        )  # fmt: skip
        peer.expect("attach", target=None)
        peer.expect_error("detach", "amqp:invalid-field")

    def test_small_frames_have_less_of_the_map(self, one: Recovering) -> None:
        """§2.7.3 incomplete-unsettled: then only resumed deliveries may come."""
        peer, _heard = one.sender()
        for number in range(60):
            take(peer, b"a-long-delivery-tag-%010d" % number, number)
        one.cut()
        peer = one.connect(max_frame_size=512)
        mine = tags({b"a-long-delivery-tag-%010d" % number: None for number in range(60)})
        heard = peer.attach_sender(
            one.queue, 0, name="out", snd_settle_mode=0, rcv_settle_mode=1, unsettled=mine,
            target=composite("target", address=one.queue, **KEPT),
        )  # fmt: skip
        assert heard["incomplete-unsettled"] is True
        assert 0 < len(told(heard)) < 60
        peer.transfer(1, b"", delivery_tag=b"a-long-delivery-tag-%010d" % 59, resume=True)
        peer.expect("disposition", first=1, settled=False)
        peer.transfer(2, data_section(b"new"), delivery_tag=b"new")
        answer = peer.expect("disposition", first=2)
        assert isinstance(answer["state"], Composite)
        assert answer["state"].name == "rejected"


class TestReceivers:
    """§2.6.13, the receiver's side of the table."""

    @pytest.fixture
    def held(self, one: Recovering) -> tuple[AmqpPeer, Heard]:
        """One delivery, received and not settled."""
        with AmqpPeer(one.broker.amqp_port) as producer:
            producer.open()
            producer.begin()
            producer.attach_sender(one.queue, 0)
            producer.put(b"job")
        peer, _heard = one.receiver(credit=1)
        return peer, peer.receive()[0]

    def tag(self, held: tuple[AmqpPeer, Heard]) -> bytes:
        found = held[1]["delivery-tag"]
        assert isinstance(found, bytes)
        return bytes(found)

    def test_it_stays_held(self, one: Recovering, held: tuple[AmqpPeer, Heard]) -> None:
        one.cut()
        assert bodies(one.broker, one.queue) == []

    def test_of_a_plain_link_it_is_free_at_once(self, one: Recovering) -> None:
        with AmqpPeer(one.broker.amqp_port) as producer:
            producer.open()
            producer.begin()
            producer.attach_sender(one.queue, 0)
            producer.put(b"job")
        peer, _heard = one.receiver(credit=1, source=composite("source", address=one.queue))
        peer.receive()
        one.cut()
        time.sleep(0.1)
        assert bodies(one.broker, one.queue) == [b"job"]

    def test_without_a_state_it_comes_again(
        self, one: Recovering, held: tuple[AmqpPeer, Heard]
    ) -> None:
        tag = self.tag(held)
        one.cut()
        peer, heard = one.receiver(tags({tag: None}), credit=5)
        assert told(heard) == {tag: None}
        again, message = peer.receive()
        assert again["resume"] is True
        assert again["delivery-tag"] == tag
        assert message.body == b"job"
        peer.dispose(again["delivery-id"], ACCEPTED)
        peer.expect("disposition", role=False, settled=True)
        one.cut()
        assert bodies(one.broker, one.queue) == []

    @pytest.mark.parametrize(
        ("state", "name"), [(ACCEPTED, "accepted"), (rejected("app:bad", "no"), "rejected")]
    )
    def test_with_an_outcome_it_is_settled(
        self, one: Recovering, held: tuple[AmqpPeer, Heard], state: Raw, name: str
    ) -> None:
        """Once: however often the receiver has to ask."""
        tag = self.tag(held)
        one.cut()
        for _ in range(3):
            peer, heard = one.receiver(tags({tag: state}), credit=5)
            assert told(heard) == {tag: name}
            again = peer.expect("transfer", resume=True, settled=True, delivery_tag=tag)
            assert isinstance(again["state"], Composite)
            assert again["state"].name == name
            one.cut()
        assert bodies(one.broker, one.queue) == []
        dead = bodies(one.broker, one.queue + "/$DeadLetterQueue")
        assert dead == ([b"job"] if name == "rejected" else [])

    @pytest.mark.parametrize(
        ("state", "name", "count"),
        [(RELEASED, "released", None), (ABANDONED, "modified", 1)],
        ids=["released", "failed"],
    )
    def test_given_back_it_is_free_again(
        self,
        one: Recovering,
        held: tuple[AmqpPeer, Heard],
        state: Raw,
        name: str,
        count: int | None,
    ) -> None:
        tag = self.tag(held)
        one.cut()
        peer, heard = one.receiver(tags({tag: state}), credit=2)
        assert told(heard) == {tag: name}
        self.expect_outcome(peer, tag, name)
        fresh, message = peer.receive()
        assert (fresh["resume"] or False, fresh["delivery-tag"] == tag) == (False, False)
        assert message.header is not None
        assert message.header["delivery-count"] == (count or 0)

    def test_deferred_it_waits_to_be_asked_for(
        self, one: Recovering, held: tuple[AmqpPeer, Heard]
    ) -> None:
        tag = self.tag(held)
        one.cut()
        peer, heard = one.receiver(tags({tag: DEFERRED}), credit=5)
        assert told(heard) == {tag: "modified"}
        self.expect_outcome(peer, tag, "modified")
        peer.expect_silence(0.1)
        one.cut()
        assert bodies(one.broker, one.queue) == []

    def expect_outcome(
        self, peer: AmqpPeer, tag: bytes, name: str, *, aborted: bool = False
    ) -> None:
        """The delivery once more, by its tag, only to be settled."""
        heard = peer.expect("transfer", resume=True, settled=True, delivery_tag=tag)
        assert isinstance(heard["state"], Composite)
        assert heard["state"].name == name
        assert (heard["aborted"] or False, heard.payload) == (aborted, b"")

    @any_state
    def test_what_is_settled_stays_settled(
        self, one: Recovering, held: tuple[AmqpPeer, Heard], state: Raw | None
    ) -> None:
        """Whatever the receiver says now: the broker has heard it accept."""
        peer, heard = held
        tag = self.tag(held)
        peer.dispose(heard["delivery-id"], ACCEPTED)
        peer.expect("disposition", role=False, settled=True)
        one.cut()
        peer, heard = one.receiver(tags({tag: state}), credit=5)
        assert told(heard) == {tag: "accepted"}
        self.expect_outcome(peer, tag, "accepted", aborted=state is None or state is RECEIVED)
        peer.expect_silence(0.1)
        one.cut()
        assert bodies(one.broker, one.queue) == []
        assert bodies(one.broker, one.queue + "/$DeadLetterQueue") == []

    def test_part_of_a_message_comes_anew(
        self, one: Recovering, held: tuple[AmqpPeer, Heard]
    ) -> None:
        """§3.4.1: what was received so far is not asked for; the message comes whole."""
        tag = self.tag(held)
        one.cut()
        peer, heard = one.receiver(tags({tag: RECEIVED}), credit=5)
        assert told(heard) == {tag: "released"}
        self.expect_outcome(peer, tag, "released", aborted=True)
        fresh, message = peer.receive()
        assert fresh["delivery-tag"] != tag
        assert message.body == b"job"

    def test_an_answer_that_was_lost_is_told(
        self, one: Recovering, held: tuple[AmqpPeer, Heard]
    ) -> None:
        """The receiver accepted, unsettled; the broker settled, and was not heard."""
        peer, heard = held
        tag = self.tag(held)
        peer.dispose(heard["delivery-id"], ACCEPTED)
        peer.expect("disposition", role=False, settled=True)
        one.cut()
        for state in (ACCEPTED, None):
            _peer, heard = one.receiver(tags({tag: state}))
            assert told(heard) == {tag: "accepted"}
            one.cut()

    def test_it_is_forgotten_when_the_receiver_has_settled(
        self, one: Recovering, held: tuple[AmqpPeer, Heard]
    ) -> None:
        peer, heard = held
        tag = self.tag(held)
        peer.dispose(heard["delivery-id"], ACCEPTED)
        peer.expect("disposition", role=False, settled=True)
        one.cut()
        one.receiver(tags({}))
        one.cut()
        _peer, heard = one.receiver(tags({tag: ACCEPTED}))
        assert told(heard) == {}

    def test_what_never_came_is_free(
        self, one: Recovering, held: tuple[AmqpPeer, Heard]
    ) -> None:
        one.cut()
        peer, heard = one.receiver(credit=5)
        assert told(heard) == {}
        fresh, message = peer.receive()
        assert not fresh["resume"]
        assert message.header is None or not message.header["delivery-count"]

    def test_an_incomplete_map_frees_nothing(
        self, one: Recovering, held: tuple[AmqpPeer, Heard]
    ) -> None:
        """§2.7.3: and nothing new is sent."""
        tag = self.tag(held)
        one.cut()
        peer, heard = one.receiver(credit=5, incomplete_unsettled=True)
        assert told(heard) == {tag: None}
        with AmqpPeer(one.broker.amqp_port) as producer:
            producer.open()
            producer.begin()
            producer.attach_sender(one.queue, 0)
            producer.put(b"new")
        peer.expect_silence(0.1)

    @any_state
    def test_a_lost_lock(self, one: Recovering, state: Raw | None) -> None:
        """§2.6.13: what only the receiver knows is ignored."""
        peer, heard = one.receiver(tags({bytes(16): state}), credit=1)
        assert told(heard) == {}
        peer.expect_silence()

    def test_closing_frees(self, one: Recovering, held: tuple[AmqpPeer, Heard]) -> None:
        peer, _heard = held
        peer.send("detach", handle=0, closed=True)
        peer.expect("detach")
        assert bodies(one.broker, one.queue) == [b"job"]

    def test_time_frees(self, one: Recovering) -> None:
        source = composite("source", address=one.queue, timeout=1)
        with AmqpPeer(one.broker.amqp_port) as producer:
            producer.open()
            producer.begin()
            producer.attach_sender(one.queue, 0)
            producer.put(b"job")
        peer, _heard = one.receiver(credit=1, source=source)
        peer.receive()
        one.cut()
        time.sleep(0.2)
        assert bodies(one.broker, one.queue) == []
        time.sleep(1.2)
        assert bodies(one.broker, one.queue) == [b"job"]

    def test_stolen(self, one: Recovering, held: tuple[AmqpPeer, Heard]) -> None:
        old, _heard = held
        tag = self.tag(held)
        peer, heard = one.receiver(tags({tag: None}), credit=5)
        assert told(heard) == {tag: None}
        old.expect_error("detach", "amqp:link:stolen")
        again, _message = peer.receive()
        peer.dispose(again["delivery-id"], ACCEPTED)
        peer.expect("disposition", settled=True)

    def test_an_outcome_said_twice_is_done_once(
        self, one: Recovering, held: tuple[AmqpPeer, Heard]
    ) -> None:
        peer, heard = held
        said = composite("disposition", role=True, first=heard["delivery-id"], state=ACCEPTED)
        peer.send_bytes(2 * frame(said))  # in one read: no answer comes between
        for _ in range(2):
            answer = peer.expect("disposition", settled=True)
            assert isinstance(answer["state"], Composite)
            assert answer["state"].name == "accepted"


class TestAcrossARestart:
    """All the same after kill -9."""

    @pytest.fixture
    def one(self, tmp_path: Path) -> Iterator[Recovering]:
        with BrokerProcess(data_dir=tmp_path) as broker:
            recovering = Recovering(broker, "orders")
            yield recovering
            recovering.cut()

    def kill(self, one: Recovering) -> None:
        one.broker.kill()
        one.cut()
        one.broker.restart()

    def test_a_sender_hears_what_was_accepted(self, one: Recovering) -> None:
        peer, _heard = one.sender()
        take(peer, b"a")
        self.kill(one)
        peer, heard = one.sender(unsettled(a=None, b=None))
        assert told(heard) == {b"a": "accepted"}
        take(peer, b"b", body=b"second")
        assert bodies(one.broker, "orders") == [b"job", b"second"]

    def test_a_receiver_settles_what_it_has_done(self, one: Recovering) -> None:
        peer, _heard = one.sender()
        for number in range(3):
            take(peer, b"%d" % number, number, b"job %d" % number)
        peer, _heard = one.receiver(credit=3)
        held = [bytes(peer.receive()[0]["delivery-tag"]) for _ in range(3)]  # type: ignore[call-overload]
        peer.dispose(0, ACCEPTED)
        peer.expect("disposition", settled=True)
        self.kill(one)
        assert bodies(one.broker, "orders") == [], "they are held on"
        states = tags({held[0]: ACCEPTED, held[1]: ACCEPTED, held[2]: None})
        peer, heard = one.receiver(states, credit=5)
        assert told(heard) == {held[0]: "accepted", held[1]: "accepted", held[2]: None}
        peer.expect("transfer", delivery_tag=held[0], settled=True)
        peer.expect("transfer", delivery_tag=held[1], settled=True)
        again, message = peer.receive()
        assert message.body == b"job 2"
        assert message.header is None or not message.header["delivery-count"]
        peer.dispose(again["delivery-id"], ACCEPTED)
        peer.expect("disposition", settled=True)
        one.cut()
        assert bodies(one.broker, "orders") == []

    def test_what_nobody_comes_back_for_is_free_in_time(self, one: Recovering) -> None:
        peer, _heard = one.sender()
        take(peer, b"a")
        source = composite("source", address="orders", timeout=1)
        peer, _heard = one.receiver(credit=1, source=source)
        peer.receive()
        self.kill(one)
        time.sleep(1.5)
        assert bodies(one.broker, "orders") == [b"job"]
