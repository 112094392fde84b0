"""Our codec against npm's mqtt-packet: each reads the other's packets, and as the same.

tests/support/mqtt_packet_js.py lists where the two differ, with the specification's verdict.
"""

import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from peeklock.protocols.mqtt.connect import MQTT_3_1_1, MQTT_5_0, Connect
from peeklock.protocols.mqtt.packet_reader import PacketReader
from peeklock.protocols.mqtt.packets import (
    Auth,
    Disconnect,
    Packet,
    decode_packet,
    encode_packet,
)
from peeklock.protocols.mqtt.properties import NO_PROPERTIES, Properties
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.reason_codes import (
    BAD_AUTHENTICATION_METHOD,
    SUCCESS,
    MqttViolation,
)
from peeklock.protocols.mqtt.settings import PACKET_BYTES_MAX
from tests.fuzz import changed
from tests.support.mqtt_corpus import cases, read_bytes
from tests.support.mqtt_packet_js import packet_in_js
from tests.support.mqtt_packets import as_tuple, packets

NODE_DIR = Path(__file__).parent / "node"
NODE = shutil.which("node")
pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (NODE_DIR / "node_modules" / "mqtt-packet").is_dir(),
        reason="mqtt-packet is not installed (cd tests/interop/node && npm ci)",
    ),
]
MANY = settings(
    max_examples=800, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
SAME_FOR_ALL = (
    "length",
    "retain",
    "qos",
    "dup",
    "topic",
    "payload",
)  # a parsed packet has them


class Theirs:
    """mqtt-packet in a process of its own."""

    def __init__(self) -> None:
        assert NODE is not None
        self._process = subprocess.Popen(
            [NODE, str(NODE_DIR / "packets.js")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _ask(self, **question: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def parse(self, data: bytes, version: int) -> dict[str, Any]:
        return self._ask(version=version, hex=data.hex())

    def generate(self, packet: dict[str, Any], version: int) -> dict[str, Any]:
        return self._ask(version=version, packet=packet)

    def close(self) -> None:
        self._process.communicate("")


@pytest.fixture(scope="module")
def theirs() -> Iterator[Theirs]:
    one = Theirs()
    yield one
    one.close()


def ours(data: bytes, version: int) -> Packet | None:
    """What we read; `None` when we refuse it."""
    reader = PacketReader(PACKET_BYTES_MAX)
    reader.feed(data)
    try:
        if not reader.next_packet() or reader.unread_bytes:
            return None
        return decode_packet(
            *(reader.first, reader.data, reader.at, reader.end), is_v5=version == MQTT_5_0
        )
    except MqttViolation:
        return None


def comparable(packet: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """What they parsed, without what every packet has, and as far as user properties go."""
    return {
        key: value
        for key, value in packet.items()
        if value is not None and (key in wanted or key not in SAME_FOR_ALL)
    }


def without_losses(packet: dict[str, Any]) -> dict[str, Any]:
    """User properties as they keep them: an empty value goes when another one follows."""
    for holder in (packet, packet.get("will", {})):
        user = holder.get("properties", {}).get("userProperties", {})
        for name, texts in user.items():
            if isinstance(texts, list):
                kept: str | list[str] = ""
                for text in texts:
                    if not kept:
                        kept = text
                    else:
                        kept = [*kept, text] if isinstance(kept, list) else [kept, text]
                user[name] = kept
    return packet


def agree(theirs: Theirs, data: bytes, packet: Packet, version: int) -> None:
    answer = theirs.parse(data, version)
    assert "error" not in answer, answer["error"]
    wanted = without_losses(packet_in_js(packet, version))
    assert comparable(answer["packet"], wanted) == wanted


def is_known_to_differ(packet: Packet) -> bool:
    """What we read and they do not; see tests/support/mqtt_packet_js.py."""
    if isinstance(packet, Auth):
        return packet.reason_code == SUCCESS and not packet.properties
    return isinstance(packet, Disconnect) and packet.reason_code == BAD_AUTHENTICATION_METHOD


def they_cannot_write(packet: Connect) -> bool:
    """What 5.0 allows and 3.1.1 did not."""
    nameless = packet.password is not None and packet.user_name is None
    return nameless or (not packet.client_id and not packet.clean_start)


@pytest.mark.parametrize("version", [MQTT_3_1_1, MQTT_5_0])
def test_they_read_what_we_write(theirs: Theirs, version: int) -> None:
    @MANY
    @given(packet=packets(version))
    def check(packet: Packet) -> None:
        if not is_known_to_differ(packet):
            data = encode_packet(packet, is_v5=version == MQTT_5_0)
            agree(theirs, data, packet, version)

    check()


@pytest.mark.parametrize("version", [MQTT_3_1_1, MQTT_5_0])
def test_we_read_what_they_write(theirs: Theirs, version: int) -> None:
    @MANY
    @given(packet=packets(version))
    def check(packet: Packet) -> None:
        if isinstance(packet, Connect) and they_cannot_write(packet):
            return
        answer = theirs.generate(packet_in_js(packet, version), version)
        assert "error" not in answer, answer["error"]
        back = ours(bytes.fromhex(answer["hex"]), version)
        assert back is not None
        wanted = packet_in_js(packet, version)
        assert packet_in_js(back, version) == wanted

    check()


@pytest.mark.parametrize("version", [MQTT_3_1_1, MQTT_5_0])
def test_they_read_whatever_we_read(theirs: Theirs, version: int) -> None:
    """Changed packets: what we take they take, and as the same. They take a good deal more."""
    chance = random.Random(4711)
    is_v5 = version == MQTT_5_0
    seeds = [
        read_bytes(line[2:], is_v5=is_v5)
        for case in cases()
        if case.version == version
        for line in case.lines
        if line.startswith("> ")
    ]
    taken = refused = 0
    for _ in range(6000):
        data = changed(chance.choice(seeds), chance)
        packet = ours(data, version)
        if packet is None or (isinstance(packet, Connect) and packet.version != version):
            refused += 1
        elif not is_known_to_differ(packet):
            taken += 1
            agree(theirs, data, packet, version)
    assert taken > 200
    assert refused > 200


class TestKnownDifferences:
    """The specification's verdict is in the docstrings; when one fails, they have mended it."""

    def test_order_of_user_properties(self, theirs: Theirs) -> None:
        """[MQTT-3.3.2-18]: their order is kept. We do; they group them."""
        user = (("a", "1"), ("b", "2"), ("a", "3"))
        packet = Publish("t", b"", properties=Properties(user=user))
        data = encode_packet(packet, is_v5=True)
        assert as_tuple(ours(data, MQTT_5_0)) == as_tuple(packet)
        parsed = theirs.parse(data, MQTT_5_0)["packet"]["properties"]["userProperties"]
        assert parsed == {"a": ["1", "3"], "b": "2"}

    def test_an_auth_that_says_nothing(self, theirs: Theirs) -> None:
        """§3.15.2.1: it means success. We read it; they do not."""
        assert isinstance(ours(b"\xf0\x00", MQTT_5_0), Auth)
        assert "error" in theirs.parse(b"\xf0\x00", MQTT_5_0)

    def test_disconnect_for_a_bad_authentication_method(self, theirs: Theirs) -> None:
        """Table 2-6 gives 0x8C to DISCONNECT, the list of §3.14.2.1 does not."""
        assert isinstance(ours(b"\xe0\x01\x8c", MQTT_5_0), Disconnect)
        assert "error" in theirs.parse(b"\xe0\x01\x8c", MQTT_5_0)

    def test_a_password_without_a_name(self, theirs: Theirs) -> None:
        """§3.1.2.9 of 5.0: allowed, unlike in 3.1.1. They cannot write it, but read it."""
        packet = Connect("c", password=b"token", properties=NO_PROPERTIES)
        assert "error" in theirs.generate(packet_in_js(packet, MQTT_5_0), MQTT_5_0)
        agree(theirs, encode_packet(packet, is_v5=True), packet, MQTT_5_0)

    def test_no_client_identifier_in_a_session_to_go_on(self, theirs: Theirs) -> None:
        """§3.1.3.1 of 5.0: the server assigns one, whatever Clean Start is. They read it."""
        packet = Connect("", clean_start=False)
        assert "error" in theirs.generate(packet_in_js(packet, MQTT_5_0), MQTT_5_0)
        agree(theirs, encode_packet(packet, is_v5=True), packet, MQTT_5_0)

    @pytest.mark.parametrize(
        ("hexed", "clause"),
        [
            ("30040001 00 78", "[MQTT-1.5.4-2] a null character in a topic name"),
            ("30050002 c328 78", "[MQTT-1.5.4-1] a topic name that is no UTF-8"),
            ("30040001 23 78", "[MQTT-3.3.2-2] a wildcard in a topic name"),
            ("30030000 78", "[MQTT-4.7.3-1] an empty topic name"),
            ("38040001 61 78", "[MQTT-3.3.1-2] DUP with QoS 0"),
            ("32060001 61 0000 78", "[MQTT-2.2.1-3] a packet identifier of 0"),
            ("4003 0001 00", "[MQTT-4.13.1-1] bytes behind a PUBACK of 3.1.1"),
            ("8207 0001 0002 2b61 00", "[MQTT-4.7.1-2] '+' that is no whole level"),
            ("c0 80 00", "[MQTT-1.5.5-1] a length that is not in its shortest form"),
        ],
    )
    def test_what_they_let_through(self, theirs: Theirs, hexed: str, clause: str) -> None:
        data = bytes.fromhex(hexed)
        assert ours(data, MQTT_3_1_1) is None, clause
        assert "error" not in theirs.parse(data, MQTT_3_1_1)
