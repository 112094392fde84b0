"""Packets of MQTT for property tests: strategies for all fifteen, and what they are made of."""

from hypothesis import strategies as st

from peeklock.protocols.mqtt.acknowledgements import PUBACK, PUBCOMP, PUBREC, Acknowledgement
from peeklock.protocols.mqtt.connect import MQTT_3_1_1, MQTT_5_0, Connack, Connect, Will
from peeklock.protocols.mqtt.packets import (
    AUTH,
    DISCONNECT,
    Auth,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
)
from peeklock.protocols.mqtt.properties import (
    AUTHENTICATION_DATA,
    AUTHENTICATION_METHOD,
    BINARY,
    CONNACK,
    CONNECT,
    KINDS,
    NO_PROPERTIES,
    PUBLISH,
    RESPONSE_TOPIC,
    SUBACK,
    SUBSCRIBE,
    SUBSCRIPTION_IDENTIFIER,
    TEXT,
    UNSUBACK,
    UNSUBSCRIBE,
    USER_PROPERTY,
    WILL,
    Properties,
)
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.reason_codes import (
    AUTH_CODES,
    CONNACK_CODES,
    DISCONNECT_CODES,
    FROM_RETURN_CODE,
    PUBLISH_CODES,
    RELEASE_CODES,
    SUBACK_CODES,
    SUCCESS,
    UNSUBACK_CODES,
)
from peeklock.protocols.mqtt.subscribe import (
    V3_RETURN_CODES,
    FilterRequest,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from peeklock.protocols.mqtt.varint import VARINT_MAX

VERSIONS = st.sampled_from([MQTT_3_1_1, MQTT_5_0])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
TOPICS = st.text(st.sampled_from("ab/$ é€😀\ufeff"), min_size=1, max_size=12)
LEVELS = st.lists(st.sampled_from(["a", "", "+", "b c", "é"]), min_size=1, max_size=5)
FILTERS = st.builds(
    lambda levels, ends: "/".join(levels + (["#"] if ends else [])) or "#",
    LEVELS,
    st.booleans(),
)
SHARED = st.builds(lambda name, rest: f"$share/{name}/{rest}", st.sampled_from("gh"), FILTERS)
BYTES = st.binary(max_size=20)
IDS = st.integers(1, 0xFFFF)
QOS = st.integers(0, 2)


def properties(where: int) -> st.SearchStrategy[Properties]:
    """What a packet of that kind may have."""
    single: dict[int, st.SearchStrategy[int | str | bytes]] = {}
    for identifier, kind in KINDS.items():
        if kind.where & where and identifier not in (USER_PROPERTY, SUBSCRIPTION_IDENTIFIER):
            if identifier == RESPONSE_TOPIC:
                single[identifier] = TOPICS
            elif kind.encoding == TEXT:
                single[identifier] = TEXTS
            elif kind.encoding == BINARY:
                single[identifier] = BYTES
            else:
                single[identifier] = st.integers(kind.low, kind.high)
    count = {PUBLISH: 3, SUBSCRIBE: 1}.get(where, 0)
    made = st.builds(
        lambda values, user, numbers: Properties(values, tuple(user), tuple(numbers)),
        st.fixed_dictionaries({}, optional=single),
        st.lists(st.tuples(TEXTS, TEXTS), max_size=3),
        st.lists(st.integers(1, VARINT_MAX), max_size=count),
    )
    return st.just(NO_PROPERTIES) | made


def of(version: int, where: int) -> st.SearchStrategy[Properties]:
    return properties(where) if version == MQTT_5_0 else st.just(NO_PROPERTIES)


def publishes(version: int) -> st.SearchStrategy[Publish]:
    def made(
        topic: str, payload: bytes, qos: int, flags: int, number: int, found: Properties
    ) -> Publish:
        dup = qos > 0 and flags & 2 != 0
        return Publish(topic, payload, qos, flags & 1 != 0, dup, number if qos else 0, found)

    found = of(version, PUBLISH)
    return st.builds(made, TOPICS, BYTES, QOS, st.integers(0, 3), IDS, found)


def wills(version: int) -> st.SearchStrategy[Will]:
    return st.builds(Will, TOPICS, BYTES, QOS, st.booleans(), of(version, WILL))


@st.composite
def connects(draw: st.DrawFn, version: int) -> Connect:
    found = draw(of(version, CONNECT))
    if not found.has(AUTHENTICATION_METHOD):
        found = found.without(AUTHENTICATION_DATA)
    user = draw(st.none() | TEXTS)
    password = draw(st.none() | BYTES) if version == MQTT_5_0 or user is not None else None
    client_id = draw(TEXTS)
    clean = draw(st.booleans()) or (version == MQTT_3_1_1 and not client_id)
    will = draw(st.none() | wills(version))
    return Connect(
        *(client_id, version, clean, draw(st.integers(0, 0xFFFF))),
        *(will, user, password, found),
    )


@st.composite
def connacks(draw: st.DrawFn, version: int) -> Connack:
    codes = CONNACK_CODES if version == MQTT_5_0 else set(FROM_RETURN_CODE.values())
    code = draw(st.sampled_from(sorted(codes)))
    return Connack(code, code == SUCCESS and draw(st.booleans()), draw(of(version, CONNACK)))


@st.composite
def acknowledgements(draw: st.DrawFn, version: int) -> Acknowledgement:
    kind = draw(st.integers(PUBACK, PUBCOMP))
    codes = PUBLISH_CODES if kind <= PUBREC else RELEASE_CODES
    code = draw(st.sampled_from(sorted(codes))) if version == MQTT_5_0 else SUCCESS
    return Acknowledgement(kind, draw(IDS), code, draw(of(version, 1 << kind)))


@st.composite
def subscribes(draw: st.DrawFn, version: int) -> Subscribe:
    if version == MQTT_5_0:
        shared = st.builds(FilterRequest, SHARED, QOS, st.just(False), st.booleans(), QOS)
        plain = st.builds(FilterRequest, FILTERS, QOS, st.booleans(), st.booleans(), QOS)
        one = plain | shared
    else:
        one = st.builds(FilterRequest, FILTERS | SHARED, QOS)
    filters = tuple(draw(st.lists(one, min_size=1, max_size=4)))
    return Subscribe(draw(IDS), filters, draw(of(version, SUBSCRIBE)))


def codes(allowed: frozenset[int]) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.sampled_from(sorted(allowed)), min_size=1, max_size=4).map(tuple)


def packets(version: int) -> st.SearchStrategy[Packet]:
    """Any of the fifteen; of 3.1.1, fourteen."""
    is_v5 = version == MQTT_5_0
    subacks = codes(SUBACK_CODES if is_v5 else V3_RETURN_CODES)
    unsubacks = codes(UNSUBACK_CODES) if is_v5 else st.just(())
    some: st.SearchStrategy[Packet] = st.one_of(
        connects(version),
        connacks(version),
        publishes(version),
        acknowledgements(version),
        subscribes(version),
        st.builds(Suback, IDS, subacks, of(version, SUBACK)),
        st.builds(
            Unsubscribe,
            IDS,
            st.lists(FILTERS, min_size=1, max_size=4).map(tuple),
            of(version, UNSUBSCRIBE),
        ),
        st.builds(Unsuback, IDS, unsubacks, of(version, UNSUBACK)),
        st.builds(Pingreq),
        st.builds(Pingresp),
    )
    if not is_v5:
        return some | st.builds(Disconnect)
    method = st.builds(
        lambda found, name: Properties(
            found.values | {AUTHENTICATION_METHOD: name}, found.user
        ),
        properties(1 << AUTH),
        TEXTS,
    )
    return st.one_of(
        some,
        st.builds(
            Disconnect, st.sampled_from(sorted(DISCONNECT_CODES)), properties(1 << DISCONNECT)
        ),
        st.builds(Auth, st.sampled_from(sorted(AUTH_CODES)), method),
    )


def as_tuple(value: object) -> object:
    """Any packet, or a part of one, so that two can be compared."""
    if isinstance(value, Properties):
        return (value.values, value.user, value.subscription_identifiers)
    if isinstance(value, tuple):
        return tuple(as_tuple(one) for one in value)
    names = getattr(value, "__match_args__", None)
    if names is None:
        return value
    return (type(value).__name__, *(as_tuple(getattr(value, name)) for name in names))
