"""Our packets in the words of npm's mqtt-packet, and what it cannot say.

What it does otherwise than the specification, or not at all:

- the values of user properties are grouped by name, so the order of different names is lost,
  against [MQTT-3.3.2-18]; and an empty value is lost when another of its name follows;
- a property that may be there once is taken twice, as a list (§2.2.2: a Protocol Error);
- it generates no password without a user name, which 5.0 allows (§3.1.2.9), and no empty client
  identifier without Clean Start, which 5.0 allows, too (§3.1.3.1);
- it parses no AUTH without reason code and properties, which means success (§3.15.2.1);
- it knows no DISCONNECT with 0x8C, which table 2-6 has and §3.14.2.1 has not: we take it;
- it also speaks 3.1 (MQIsdp) and the bridges' versions with the highest bit, which we refuse;
- it takes much that is malformed: TestKnownDifferences in tests/interop/test_mqtt_packet.py.
"""

from typing import Any, assert_never

from peeklock.protocols.mqtt.acknowledgements import NAMES, Acknowledgement
from peeklock.protocols.mqtt.connect import MQTT_5_0, Connack, Connect
from peeklock.protocols.mqtt.packets import (
    Auth,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
)
from peeklock.protocols.mqtt.properties import KINDS, MAXIMUM_QOS, Properties
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.reason_codes import RETURN_CODES
from peeklock.protocols.mqtt.subscribe import (
    FilterRequest,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)


def camel(name: str) -> str:
    """`Receive Maximum` → `receiveMaximum`."""
    first, *rest = name.split(" ")
    return first.lower() + "".join(rest)


NAMES_IN_JS = {identifier: camel(kind.name) for identifier, kind in KINDS.items()}


def binary(value: bytes) -> dict[str, str]:
    return {"hex": value.hex()}


def in_js(found: Properties) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for identifier, value in found.values.items():
        name = NAMES_IN_JS[identifier]
        if isinstance(value, bytes):
            out[name] = binary(value)
        elif isinstance(value, int) and KINDS[identifier].encoding == 0:
            out[name] = value if identifier == MAXIMUM_QOS else bool(value)
        else:
            out[name] = value
    if found.subscription_identifiers:
        numbers = list(found.subscription_identifiers)
        out["subscriptionIdentifier"] = numbers if len(numbers) > 1 else numbers[0]
    if found.user:
        grouped: dict[str, list[str]] = {}
        for name, text in found.user:
            grouped.setdefault(name, []).append(text)
        out["userProperties"] = {
            name: texts if len(texts) > 1 else texts[0] for name, texts in grouped.items()
        }
    return {"properties": out} if out else {}


def filter_in_js(one: FilterRequest, *, is_v5: bool) -> dict[str, Any]:
    plain = {"topic": one.topic_filter, "qos": one.qos}
    if not is_v5:
        return plain
    options = {"nl": one.no_local, "rap": one.retain_as_published, "rh": one.retain_handling}
    return plain | options


def connect_in_js(given: Connect) -> dict[str, Any]:
    out: dict[str, Any] = {
        "cmd": "connect", "protocolId": "MQTT", "protocolVersion": given.version,
        "clean": given.clean_start, "keepalive": given.keep_alive, "clientId": given.client_id,
    }  # fmt: skip
    will = given.will
    if will is not None:
        parts = {"topic": will.topic_name, "payload": binary(will.payload)}
        flags = {"qos": will.qos, "retain": will.retain}
        out["will"] = parts | flags | in_js(will.properties)
    if given.user_name is not None:
        out["username"] = given.user_name
    if given.password is not None:
        out["password"] = binary(given.password)
    return out | in_js(given.properties)


def packet_in_js(given: Packet, version: int) -> dict[str, Any]:
    """As mqtt-packet would have it, without what is the same for all packets of a type."""
    is_v5 = version == MQTT_5_0
    if isinstance(given, Connect):
        return connect_in_js(given)
    if isinstance(given, Connack):
        code = (
            {"reasonCode": given.reason_code}
            if is_v5
            else {"returnCode": RETURN_CODES[given.reason_code]}
        )
        present = {"cmd": "connack", "sessionPresent": given.session_present}
        return present | code | in_js(given.properties)
    if isinstance(given, Publish):
        out: dict[str, Any] = {
            "cmd": "publish", "topic": given.topic_name, "payload": binary(given.payload),
            "qos": given.qos, "retain": given.retain, "dup": given.dup,
        }  # fmt: skip
        if given.qos:
            out["messageId"] = given.packet_id
        return out | in_js(given.properties)
    if isinstance(given, Acknowledgement):
        out = {"cmd": NAMES[given.packet_type].lower(), "messageId": given.packet_id}
        if is_v5:
            out["reasonCode"] = given.reason_code
        return out | in_js(given.properties)
    if isinstance(given, Disconnect):
        code = {"reasonCode": given.reason_code} if is_v5 else {}
        return {"cmd": "disconnect"} | code | in_js(given.properties)
    if isinstance(given, Auth):
        return {"cmd": "auth", "reasonCode": given.reason_code} | in_js(given.properties)
    if isinstance(given, Pingreq | Pingresp):
        return {"cmd": type(given).__name__.lower()}
    return request_in_js(given, is_v5=is_v5)


def request_in_js(
    given: Subscribe | Suback | Unsubscribe | Unsuback, *, is_v5: bool
) -> dict[str, Any]:
    out: dict[str, Any] = {"messageId": given.packet_id, **in_js(given.properties)}
    match given:
        case Subscribe():
            filters = [filter_in_js(one, is_v5=is_v5) for one in given.filters]
            return {"cmd": "subscribe", "subscriptions": filters} | out
        case Suback():
            return {"cmd": "suback", "granted": list(given.reason_codes)} | out
        case Unsubscribe():
            return {"cmd": "unsubscribe", "unsubscriptions": list(given.topic_filters)} | out
        case Unsuback():
            codes = {"granted": list(given.reason_codes)} if is_v5 else {}
            return {"cmd": "unsuback"} | codes | out
        case _:
            assert_never(given)
