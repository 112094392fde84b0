"""Tokens over MQTT: as passwords and by AUTH, what they allow, and how they run out."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from urllib.parse import quote_plus

import jwt
import pytest

from peeklock.protocols.mqtt.connect import MQTT_3_1_1, Connect, Will
from peeklock.protocols.mqtt.events import (
    AuthReceived,
    Connected,
    ConnectRefused,
    PublishAcknowledged,
)
from peeklock.protocols.mqtt.properties import (
    AUTHENTICATION_DATA,
    AUTHENTICATION_METHOD,
    REASON_STRING,
    SESSION_EXPIRY_INTERVAL,
    Properties,
    PropertyValue,
)
from peeklock.security.passwords import hash_password
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer

KEY = "a-key-of-at-least-sixteen"
SECRET = "a-secret-of-at-least-thirty-two-bytes"
ODD = "eyJodSI.is-a.password"  # it looks like a token
METHOD = "OAUTH2-JWT"
CONFIG = f"""
[[users]]
name = "boss"
password_hash = "{hash_password("secret")}"

[[users]]
name = "odd"
password_hash = "{hash_password(ODD)}"
rights = ["send"]

[[access_keys]]
name = "root"
key = "{KEY}"

[[access_keys]]
name = "shop"
key = "{KEY}"
rights = ["send"]
entity = "orders"

[jwt]
key = "{SECRET}"

[[queues]]
name = "orders"
[[queues]]
name = "invoices"
[[topics]]
name = "tickets"
[[topics]]
name = "site/north"
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with BrokerProcess(config=CONFIG, dev=False) as process:
        yield process


def signature(path: str, seconds: float = 3600, *, name: str = "root", key: str = KEY) -> bytes:
    encoded, expiry = quote_plus(f"sb://localhost/{path}"), int(time.time() + seconds)
    mac = hmac.new(key.encode(), f"{encoded}\n{expiry}".encode(), hashlib.sha256).digest()
    signed = quote_plus(base64.b64encode(mac).decode())
    return f"SharedAccessSignature sr={encoded}&sig={signed}&se={expiry}&skn={name}".encode()


def web_token(entity: str, *rights: str, seconds: float = 3600, **claims: object) -> bytes:
    given = {"exp": time.time() + seconds, "entity": entity, "rights": list(rights), **claims}
    return jwt.encode(given, SECRET, algorithm="HS256").encode()


def as_password(
    broker: BrokerProcess, token: bytes, client_id: str = "", **more: object
) -> MqttPeer:
    given: dict[str, object] = {"user_name": "whoever", "password": token, **more}
    return mqtt_peer(broker.mqtt_port, client_id, **given)


def by_method(token: bytes | None) -> Properties:
    told: dict[int, PropertyValue] = {AUTHENTICATION_METHOD: METHOD}
    if token is not None:
        told[AUTHENTICATION_DATA] = token
    return Properties(told)


def refusal(broker: BrokerProcess, connect: Connect) -> tuple[int, str]:
    with MqttPeer(broker.mqtt_port, connect) as peer:
        connack = peer.expect(ConnectRefused).connack
        peer.expect_closed()
        return connack.reason_code, connack.properties.text(REASON_STRING) or ""


def put_code(peer: MqttPeer, topic: str) -> int:
    peer.publish(topic, b"x")
    return peer.expect(PublishAcknowledged).reason_code


def granted(peer: MqttPeer, topic_filter: str) -> int:
    (code,) = peer.subscribe(topic_filter).suback.reason_codes
    return code


class TestAsPasswords:
    @pytest.mark.parametrize("v5", [True, False])
    @pytest.mark.parametrize("kind", ["signature", "web token"])
    def test_both_kinds(self, broker: BrokerProcess, v5: bool, kind: str) -> None:
        token = (
            signature("orders")
            if kind == "signature"
            else web_token("orders", "send", "listen")
        )
        with as_password(broker, token, v5=v5) as peer:
            peer.put("$queue/orders", b"1")
            assert granted(peer, "$queue/orders") == 1
            peer.acknowledge(peer.take())
            assert granted(peer, "$queue/invoices") == (0x87 if v5 else 0x80)

    def test_without_a_user_name(self, broker: BrokerProcess) -> None:
        """5.0 §3.1.2.9 allows a password alone."""
        with mqtt_peer(broker.mqtt_port, password=signature("orders")) as peer:
            peer.put("$queue/orders", b"1")

    @pytest.mark.parametrize("name", ["boss", "whoever"])
    @pytest.mark.parametrize(
        ("token", "why"),
        [
            (signature("orders", -60), "the token has expired"),
            (signature("orders", key="another-key-of-sixteen"), "does not fit key 'root'"),
            (signature("orders", name="nobody"), "no access key is named 'nobody'"),
            (signature("invoices", name="shop"), "'shop' is for 'orders'"),
            (web_token("orders", "send", seconds=-60), "the token has expired"),
            (web_token("orders", "send")[:-4] + b"AAAA", "the token is not valid"),
        ],
        ids=lambda one: one if isinstance(one, str) else "",
    )
    def test_those_that_are_no_good(
        self, broker: BrokerProcess, name: str, token: bytes, why: str
    ) -> None:
        code, told = refusal(broker, Connect("", user_name=name, password=token))
        assert code == 0x86
        assert why in told
        old = Connect("", MQTT_3_1_1, user_name=name, password=token)
        assert refusal(broker, old)[0] == 0x86

    def test_a_password_may_look_like_one(self, broker: BrokerProcess) -> None:
        with as_password(broker, ODD.encode(), user_name="odd") as peer:
            peer.put("$queue/invoices", b"1")
        wrong = Connect("", user_name="boss", password=ODD.encode())
        assert refusal(broker, wrong)[0] == 0x86

    def test_passwords_go_on(self, broker: BrokerProcess) -> None:
        with as_password(broker, b"secret", user_name="boss") as peer:
            peer.put("$queue/orders", b"1")
        assert refusal(broker, Connect("", password=b"secret"))[0] == 0x87

    def test_where_none_are_taken_they_are_passwords(self) -> None:
        with BrokerProcess(dev=False) as other:
            connect = Connect("", user_name="a", password=signature("orders"))
            code, told = refusal(other, connect)
        assert (code, told) == (0x86, "the user name or the password is wrong")


class TestSending:
    def test_to_one_queue(self, broker: BrokerProcess) -> None:
        with as_password(broker, signature("orders", name="shop")) as peer:
            assert put_code(peer, "$queue/orders") == 0
            assert put_code(peer, "$queue/invoices") == 0x87
            assert put_code(peer, "tickets/sold") == 0x87
            assert put_code(peer, "elsewhere") == 0x87
            assert granted(peer, "$queue/orders") == 0x87

    def test_to_one_topic(self, broker: BrokerProcess) -> None:
        with as_password(broker, web_token("tickets", "send")) as peer:
            assert put_code(peer, "tickets/sold/4711") == 0
            assert put_code(peer, "tickets") == 0
            assert put_code(peer, "TICKETS/sold") == 0x87  # a signal under no topic
            assert put_code(peer, "ticketsandmore") == 0x87
            assert put_code(peer, "site/north/1") == 0x87

    def test_to_signals_under_no_topic(self, broker: BrokerProcess) -> None:
        with as_password(broker, web_token("signals", "send")) as peer:
            assert put_code(peer, "site/south/1") == 0
            assert put_code(peer, "site/north/1") == 0x87

    @pytest.mark.parametrize(
        ("topic", "code"), [("tickets/gone", 0), ("site/gone", 0x87), ("$queue/orders", 0x87)]
    )
    def test_a_will(self, broker: BrokerProcess, topic: str, code: int) -> None:
        """It is asked for when it is left, as a PUBLISH would be."""
        token = web_token("tickets", "send")
        connect = Connect("", user_name="a", password=token, will=Will(topic, b"gone"))
        with MqttPeer(broker.mqtt_port, connect) as peer:
            kind = ConnectRefused if code else Connected
            assert peer.expect(kind).connack.reason_code == code


class TestListening:
    def test_to_one_topic(self, broker: BrokerProcess) -> None:
        with (
            as_password(broker, web_token("tickets", "listen")) as peer,
            as_password(broker, b"secret", user_name="boss") as boss,
        ):
            assert granted(peer, "tickets/#") == 1
            assert granted(peer, "tickets/+/x") == 1
            assert granted(peer, "tickets") == 1
            for other in ("#", "+/x", "TICKETS/#", "site/#", "site/north/1", "elsewhere"):
                assert granted(peer, other) == 0x87, other
            assert granted(peer, "$SYS/broker/#") == 0x87
            assert granted(peer, "$queue/orders") == 0x87
            boss.put("site/north/1", b"no")
            boss.put("tickets/a/x", b"yes")
            publish = peer.take()
            assert (publish.topic_name, publish.payload) == ("tickets/a/x", b"yes")
            peer.acknowledge(publish)
            peer.expect_silence()

    @pytest.mark.parametrize("qos", [0, 1, 2])
    @pytest.mark.parametrize("kept", [0, 100])
    def test_to_signals_under_no_topic(
        self, broker: BrokerProcess, qos: int, kept: int
    ) -> None:
        """What a filter matches in another topic is not told."""
        token = web_token("signals", "listen", sub=f"s-{qos}-{kept}")
        expiry = Properties({SESSION_EXPIRY_INTERVAL: kept})
        with (
            as_password(broker, b"secret", user_name="boss") as boss,
            as_password(broker, token, f"s-{qos}-{kept}", properties=expiry) as peer,
        ):
            (code,) = peer.subscribe("#", qos=qos).suback.reason_codes
            assert code == qos
            for topic in ("site/north/1", "tickets/1", "site/south"):
                boss.put(topic, topic.encode())
            publish = peer.take()
            assert publish.topic_name == "site/south"
            if qos == 1:
                peer.acknowledge(publish)
            assert peer.subscribe("$share/g/site/#").suback.reason_codes == (0x87,)

    def test_to_what_the_broker_tells_of_itself(self, broker: BrokerProcess) -> None:
        token = web_token("$SYS/broker/clients", "listen")
        with as_password(broker, token) as peer:
            assert granted(peer, "$SYS/#") == 0x87
            assert granted(peer, "$SYS/broker/clients/+") == 0
            assert peer.take().topic_name.startswith("$SYS/broker/clients/")

    @pytest.mark.parametrize("kept", [0, 100])
    def test_retained(self, broker: BrokerProcess, kept: int) -> None:
        token = web_token("signals", "listen", sub=f"r-{kept}")
        expiry = Properties({SESSION_EXPIRY_INTERVAL: kept})
        with as_password(broker, b"secret", user_name="boss") as boss:
            for topic in ("site/north/kept", "tickets/kept", "south/kept"):
                boss.publish(topic, b"x", retain=True)
                assert boss.expect(PublishAcknowledged).reason_code == 0
            with as_password(broker, token, f"r-{kept}", properties=expiry) as peer:
                peer.subscribe("+/kept", "#")
                for _ in range(2):
                    publish = peer.take()
                    assert publish.topic_name == "south/kept"
                    peer.acknowledge(publish)
                peer.expect_silence()

    def test_shared(self, broker: BrokerProcess) -> None:
        with (
            as_password(broker, web_token("tickets", "listen")) as peer,
            as_password(broker, b"secret", user_name="boss") as boss,
        ):
            assert granted(peer, "$share/g/tickets/#") == 1
            assert granted(peer, "$share/g/#") == 0x87
            assert granted(peer, "$share/g/site/north/#") == 0x87
            boss.put("tickets/a", b"yes")
            peer.acknowledge(peer.take())

    def test_everything(self, broker: BrokerProcess) -> None:
        with as_password(broker, signature("")) as peer:
            for one in ("#", "$share/g/#", "$queue/orders", "$SYS/broker/#"):
                assert granted(peer, one) < 0x80

    def test_a_kept_session_with_fewer_rights(self, broker: BrokerProcess) -> None:
        """What its new token does not allow is over, also what waits."""
        expiry = Properties({SESSION_EXPIRY_INTERVAL: 100})
        wide = web_token("", "listen", sub="narrowed")
        with as_password(broker, wide, "narrowed", properties=expiry) as peer:
            peer.subscribe("site/north/#", "tickets/#")
        with as_password(broker, b"secret", user_name="boss") as boss:
            boss.put("site/north/1", b"no")
            boss.put("tickets/1", b"yes")
        narrow = web_token("tickets", "listen", sub="narrowed")
        given = {"clean_start": False, "properties": expiry, "has_session": True}
        with as_password(broker, narrow, "narrowed", **given) as peer:
            publish = peer.take()
            assert publish.topic_name == "tickets/1"
            peer.acknowledge(publish)
            peer.expect_silence()

    def test_sessions_are_of_holders(self, broker: BrokerProcess) -> None:
        """With another's client identifier nobody ends its connection or has its session."""
        expiry = Properties({SESSION_EXPIRY_INTERVAL: 100})
        anna, bert = (web_token("", "listen", sub=name) for name in ("anna", "bert"))
        with as_password(broker, anna, "shared-id", properties=expiry):
            connect = Connect("shared-id", user_name="anna", password=bert)
            assert refusal(broker, connect)[0] == 0x87
        assert refusal(broker, connect)[0] == 0x87
        renewed = web_token("tickets", "listen", seconds=90, sub="anna")
        with as_password(
            broker, renewed, "shared-id", clean_start=False, has_session=True
        ) as one:
            assert one.connack is not None
            assert one.connack.session_present


class TestTheEnd:
    @pytest.mark.parametrize("v5", [True, False])
    def test_the_connection_ends_with_its_token(self, broker: BrokerProcess, v5: bool) -> None:
        with as_password(broker, signature("orders", 2), v5=v5) as peer:
            peer.put("$queue/orders", b"1")
            what = peer.expect_closed(0xA0 if v5 else None)
            if v5:
                assert what == "the token has expired"

    def test_its_will_is_left(self, broker: BrokerProcess) -> None:
        """It was allowed when it was given."""
        with as_password(broker, b"secret", user_name="boss") as boss:
            boss.subscribe("tickets/wills")
            token = web_token("tickets", "send", seconds=1)
            with as_password(broker, token, will=Will("tickets/wills", b"gone")) as peer:
                peer.expect_closed(0xA0)
                assert boss.take().payload == b"gone"


class TestByMethod:
    """[MQTT-4.12.0-1]: by the name that other brokers have for it."""

    def connected(self, broker: BrokerProcess, token: bytes) -> MqttPeer:
        return mqtt_peer(broker.mqtt_port, properties=by_method(token))

    def anew(self, peer: MqttPeer, token: bytes) -> None:
        peer.engine.authenticate(0x19, token)
        peer.flush()

    def test_it_lets_in(self, broker: BrokerProcess) -> None:
        with self.connected(broker, web_token("orders", "send")) as peer:
            assert put_code(peer, "$queue/orders") == 0
            assert put_code(peer, "$queue/invoices") == 0x87
            assert peer.connack is not None
            assert peer.connack.properties.text(AUTHENTICATION_METHOD) == METHOD

    @pytest.mark.parametrize("token", [None, b"", b"\xff", b"secret", b"eyJ.a.b"])
    def test_what_is_no_token(self, broker: BrokerProcess, token: bytes | None) -> None:
        """[MQTT-4.12.0-4]"""
        code, told = refusal(broker, Connect("", properties=by_method(token)))
        assert code == 0x87
        assert "token" in told

    def test_a_new_token_in_time(self, broker: BrokerProcess) -> None:
        """[MQTT-4.12.1-1]: the connection goes on, and what is subscribed with it."""
        first = web_token("orders", "send", "listen", seconds=2, sub="device")
        with self.connected(broker, first) as peer:
            peer.subscribe("$queue/orders")
            self.anew(peer, web_token("orders", "send", "listen", sub="device"))
            assert peer.expect(AuthReceived).auth.reason_code == 0
            time.sleep(2.2)
            assert put_code(peer, "$queue/orders") == 0
            peer.take()

    def test_of_the_same_key(self, broker: BrokerProcess) -> None:
        with self.connected(broker, signature("orders", 2)) as peer:
            self.anew(peer, signature("orders", 60))
            assert peer.expect(AuthReceived).auth.reason_code == 0

    @pytest.mark.parametrize(
        ("token", "why"),
        [
            (web_token("orders", "send", sub="another"), "jwt:device"),
            (signature("orders"), "jwt:device"),
            (web_token("orders", "send", sub="device", seconds=-5), "expired"),
            (b"nonsense", "token"),
        ],
        ids=lambda one: one if isinstance(one, str) else "",
    )
    def test_another_one(self, broker: BrokerProcess, token: bytes, why: str) -> None:
        """[MQTT-4.12.1-2]"""
        with self.connected(broker, web_token("orders", "send", sub="device")) as peer:
            self.anew(peer, token)
            assert why in peer.expect_closed(0x87)

    def test_one_that_allows_less(self, broker: BrokerProcess) -> None:
        """What it does not allow is over at once; a subscription to it ends the connection."""
        wide = web_token("", "send", "listen", sub="device")
        narrow = web_token("orders", "send", sub="device")
        with self.connected(broker, wide) as peer:
            assert put_code(peer, "$queue/invoices") == 0
            self.anew(peer, narrow)
            assert peer.expect(AuthReceived).auth.reason_code == 0
            assert put_code(peer, "$queue/invoices") == 0x87
        for topic_filter in ("$queue/invoices", "tickets/#", "$share/g/tickets/#"):
            with self.connected(broker, wide) as peer:
                peer.subscribe("$queue/orders", topic_filter)
                self.anew(peer, narrow)
                assert "no token" in peer.expect_closed(0x87)

    def test_where_no_tokens_are_taken(self, shared: BrokerProcess) -> None:
        """[MQTT-4.12.0-1]"""
        token = web_token("orders", "send")
        assert refusal(shared, Connect("", properties=by_method(token)))[0] == 0x8C
