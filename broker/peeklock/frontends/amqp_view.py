"""What a filter sees of an AMQP message: `filters.view.PropertyView` over its bare bytes.

Nothing is read before a filter asks for it, and each section once, however many filters look:
one view serves all rules of a topic for one message.
"""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Final, final
from uuid import UUID

from peeklock.clock import IdSource
from peeklock.cloudevents.amqp_binding import amqp_mode, read_amqp
from peeklock.cloudevents.attribute import AttributeValue, Kind
from peeklock.cloudevents.structured import ContentMode, mode_by_type
from peeklock.errors import InvalidEvent, ProtocolViolation
from peeklock.filters.values import Value, text_of
from peeklock.filters.view import JmsHeader, SystemProperty
from peeklock.frontends.amqp_event import parts_of
from peeklock.limits import EVENT_FILTERED_BYTES_MAX
from peeklock.message import NO_TTL, Message
from peeklock.protocols.amqp10.decimals import read_decimal
from peeklock.protocols.amqp10.primitives import read_value
from peeklock.protocols.amqp10.sections import (
    APPLICATION_PROPERTIES,
    PROPERTIES,
    find_section,
)
from peeklock.protocols.amqp10.values import (
    AmqpValue,
    Decimal32,
    Decimal64,
    Decimal128,
    Described,
    Timestamp,
)
from peeklock.types import NEVER, SequenceNumber, UnixMs

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
LATEST: Final = datetime.max.replace(tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
INSTANT_MS_MIN: Final = (EARLIEST - EPOCH) // MILLISECOND
INSTANT_MS_MAX: Final = (LATEST - EPOCH) // MILLISECOND

# Descriptors of what .NET's clients have and AMQP has not: ticks of 100 ns, as a long.
TIMESPAN: Final = "com.microsoft:timespan"
DATETIME_OFFSET: Final = "com.microsoft:datetime-offset"  # since the year 1, UTC
URI: Final = "com.microsoft:uri"

# Places in the properties list (§3.2.4).
FIELDS: Final = {
    SystemProperty.MESSAGE_ID: 0,
    SystemProperty.TO: 2,
    SystemProperty.LABEL: 3,
    SystemProperty.REPLY_TO: 4,
    SystemProperty.CORRELATION_ID: 5,
    SystemProperty.CONTENT_TYPE: 6,
    SystemProperty.SESSION_ID: 10,
    SystemProperty.REPLY_TO_SESSION_ID: 12,
}
# Before a CloudEvent's attributes: as they are written since 1.0.3, and before it.
EVENT_PREFIX: Final = "cloudEvents_"
EVENT_PREFIX_BEFORE: Final = "cloudEvents:"
CONTENT_TYPE: Final = 6

MESSAGE_ID: Final = 0
USER_ID: Final = 1
CORRELATION_ID: Final = 5
CREATION_TIME: Final = 9
JMS_FIELDS: Final = {JmsHeader.TYPE: 3, JmsHeader.GROUP_ID: 10, JmsHeader.GROUP_SEQUENCE: 11}

# What JMS' ids say of the type that an AMQP id has, as the mapping writes it.
ID: Final = "ID:"
PREFIXED: Final = "AMQP_NO_PREFIX:"  # a message id without ID: has this before it
TYPED: Final = ("AMQP_BINARY:", "AMQP_UUID:", "AMQP_ULONG:", "AMQP_STRING:", PREFIXED)

# Keys of the message annotations.
ANNOTATED: Final = {
    SystemProperty.PARTITION_KEY: "x-opt-partition-key",
    SystemProperty.SCHEDULED_TIME: "x-opt-scheduled-enqueue-time",
    SystemProperty.ENQUEUED_SEQUENCE_NUMBER: "x-opt-enqueue-sequence-number",
}


@final
class MessageView:
    """The properties of one message.

    What the broker knows of it beside the message itself comes with it: when it arrived, and
    its number and failed attempts where it has them already.
    """

    __slots__ = (
        "_annotations",
        "_any_case",
        "_delivery_count",
        "_enqueued_at",
        "_event",
        "_fields",
        "_ids",
        "_message",
        "_number",
        "_user",
    )

    def __init__(
        self,
        message: Message,
        ids: IdSource,
        enqueued_at: UnixMs,
        number: SequenceNumber | None = None,
        delivery_count: int = 0,
    ) -> None:
        self._message: Final = message
        self._ids: Final = ids
        self._enqueued_at: Final = enqueued_at
        self._number: Final = number
        self._delivery_count: Final = delivery_count
        # None until they are read.
        self._fields: list[AmqpValue] | None = None
        self._user: dict[AmqpValue, AmqpValue] | None = None
        self._any_case: dict[str, AmqpValue] | None = None
        self._annotations: dict[AmqpValue, AmqpValue] | None = None
        self._event: dict[str, AttributeValue] | None = None

    # ---- filters.view.PropertyView

    def system(self, which: SystemProperty) -> Value:
        place = FIELDS.get(which)
        if place is not None:
            return as_text(self.field(place))
        key = ANNOTATED.get(which)
        if key is not None:
            return scalar(self.annotations().get(key))
        return self._of_the_broker(which)

    def jms_header(self, which: JmsHeader) -> Value:
        """As the AMQP mapping of JMS has them (amqp-bindmap-jms, §3.2.1)."""
        if which is JmsHeader.MESSAGE_ID:
            return jms_id(self.field(MESSAGE_ID), PREFIXED)
        if which is JmsHeader.CORRELATION_ID:
            return jms_id(self.field(CORRELATION_ID), "")
        if which is JmsHeader.PRIORITY:
            return self._message.priority
        if which is JmsHeader.DELIVERY_MODE:
            return "PERSISTENT" if self._message.durable else "NON_PERSISTENT"
        if which is JmsHeader.DELIVERY_COUNT:
            return self._delivery_count + 1  # this one counts
        if which is JmsHeader.TIMESTAMP:
            created = self.field(CREATION_TIME)
            return int(created) if isinstance(created, int) else 0
        if which is JmsHeader.USER_ID:
            user_id = self.field(USER_ID)
            return user_id.decode(errors="replace") if isinstance(user_id, bytes) else None
        return scalar(self.field(JMS_FIELDS[which]))

    def user(self, name: str) -> Value:
        return scalar(self.user_properties().get(name))

    def user_any_case(self, name: str) -> Value:
        found = self.user_properties()
        if name in found:
            return scalar(found[name])
        return scalar(self._by_any_case().get(name.lower()))

    def has_user(self, name: str) -> bool:
        return name in self.user_properties() or name.lower() in self._by_any_case()

    def attribute(self, name: str) -> Value:
        """Of an event in structured mode, in the body, whatever properties repeat of it; or in
        binary mode.

        §3.1.3 of the binding: a prefix before the names, and the content type apart.
        """
        event = self.structured_event()
        if event:
            return attribute_value(event.get(name))
        if name == "datacontenttype":
            return as_text(self.field(CONTENT_TYPE))
        user = self.user_properties()
        value = user.get(EVENT_PREFIX + name)
        return canonical(user.get(EVENT_PREFIX_BEFORE + name) if value is None else value)

    def new_id(self) -> UUID:
        return UUID(bytes=self._ids.nonce() + self._ids.nonce(), version=4)

    # ---- what is read, when it is first asked for

    def field(self, place: int) -> AmqpValue:
        """One field of the properties section; None when it is not there."""
        fields = self._fields
        if fields is None:
            found = section(self._message.bare, PROPERTIES)
            fields = found if isinstance(found, list) else []
            self._fields = fields
        return fields[place] if place < len(fields) else None

    def user_properties(self) -> dict[AmqpValue, AmqpValue]:
        user = self._user
        if user is None:
            found = section(self._message.bare, APPLICATION_PROPERTIES)
            user = found if isinstance(found, dict) else {}
            self._user = user
        return user

    def structured_event(self) -> dict[str, AttributeValue]:
        """An event's attributes, where the body is an event; empty for all other messages."""
        event = self._event
        if event is None:
            content_type = self.field(CONTENT_TYPE)
            event = {}
            if isinstance(content_type, str):
                if mode_by_type(content_type) is ContentMode.STRUCTURED:
                    event = event_in(self._message.bare)
            self._event = event
        return event

    def annotations(self) -> dict[AmqpValue, AmqpValue]:
        annotations = self._annotations
        if annotations is None:
            annotations = {}
            if self._message.annotations:
                annotations = read_annotations(self._message.annotations)
            self._annotations = annotations
        return annotations

    def _by_any_case(self) -> dict[str, AmqpValue]:
        """By names in lower case; of two that differ in case alone, the first counts."""
        any_case = self._any_case
        if any_case is None:
            any_case = {}
            for name, value in self.user_properties().items():
                if isinstance(name, str):
                    any_case.setdefault(name.lower(), value)
            self._any_case = any_case
        return any_case

    def _of_the_broker(self, which: SystemProperty) -> Value:
        message = self._message
        if which is SystemProperty.ENQUEUED_TIME:
            return None if self._enqueued_at == NEVER else instant(self._enqueued_at)
        if which is SystemProperty.SEQUENCE_NUMBER:
            return self._number
        if which is SystemProperty.DELIVERY_COUNT:
            return self._delivery_count
        if which is SystemProperty.SIZE:
            return message.size
        if message.ttl_ms == NO_TTL:
            return None
        if which is SystemProperty.TIME_TO_LIVE:
            return timedelta(milliseconds=message.ttl_ms)
        return instant(self._enqueued_at + message.ttl_ms)  # when it expires


def section(bare: bytes, code: int) -> AmqpValue:
    """A section's value. One that breaks the rules inside has nothing to show: the broker
    passes such a message on as it came, and a filter is not the place to refuse it."""
    try:
        return find_section(bare, code)
    except ProtocolViolation:
        return None


def event_in(bare: bytes) -> dict[str, AttributeValue]:
    """As with sections, what breaks the rules has nothing to show."""
    if len(bare) > EVENT_FILTERED_BYTES_MAX:
        return {}
    try:
        parts = parts_of(bare)
        if amqp_mode(parts) is ContentMode.STRUCTURED:
            return read_amqp(parts).attributes
    except (InvalidEvent, ProtocolViolation):
        pass
    return {}


def attribute_value(value: AttributeValue | None) -> Value:
    """As `canonical` has those of binary mode."""
    if value is None:
        return None
    if value.kind is Kind.BOOLEAN:
        return value.text == "true"
    return int(value.text) if value.kind is Kind.INTEGER else value.text


def read_annotations(encoded: bytes) -> dict[AmqpValue, AmqpValue]:
    try:
        value, _end = read_value(encoded, 0)
    except ProtocolViolation:
        return {}
    return value if isinstance(value, dict) else {}


def scalar(value: AmqpValue) -> Value:
    """An AMQP value as filters have it; None for what is no scalar."""
    if isinstance(value, str):
        return value
    if isinstance(value, Timestamp):
        return instant(value)
    if value is None or isinstance(value, (bool, int, float, UUID)):
        return value
    if isinstance(value, (Decimal32, Decimal64, Decimal128)):
        return read_decimal(value)
    if isinstance(value, Described):
        return described(value.descriptor, value.value)
    return value if isinstance(value, bytes) else None


def described(descriptor: AmqpValue, value: AmqpValue) -> Value:
    """What .NET's clients wrote; None for what somebody else described."""
    if descriptor == URI and isinstance(value, str):
        return value
    if descriptor in (TIMESPAN, DATETIME_OFFSET) and isinstance(value, int):
        span = timedelta(microseconds=value // 10)
        if descriptor == TIMESPAN:
            return span
        return EARLIEST + span if timedelta(0) <= span <= LATEST - EARLIEST else None
    return None


def as_text(value: AmqpValue) -> str | None:
    """An id or address as text: Service Bus shows all of §3.2.11–3.2.14's types as strings."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, (int, UUID)) else None


def jms_id(value: AmqpValue, unprefixed: str) -> str | None:
    """An id as JMS clients see it, from which they can tell its AMQP type.

    `unprefixed` is what a string that does not begin with ID: is given beside that; for a
    correlation id nothing, as it may be the application's own.
    """
    if isinstance(value, UUID):
        return f"{ID}AMQP_UUID:{value}"
    if isinstance(value, bytes):
        return f"{ID}AMQP_BINARY:{value.hex().upper()}"
    if isinstance(value, int):
        return f"{ID}AMQP_ULONG:{value}"
    if not isinstance(value, str):
        return None
    if value.startswith(ID):
        looks_typed = value[len(ID) :].startswith(TYPED)
        return f"{ID}AMQP_STRING:{value}" if looks_typed else value
    return f"{ID}{unprefixed}{value}" if unprefixed else value


def canonical(value: AmqpValue) -> Value:
    """An attribute's value: a boolean, an integer of 32 bits, or text (CloudEvents §3.2.1)."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Timestamp):
        at = instant(value)
        exactness = "milliseconds" if value % 1000 else "seconds"
        return at.isoformat(timespec=exactness).replace("+00:00", "Z")
    if isinstance(value, int):
        number = int(value)
        return number if -(1 << 31) <= number < 1 << 31 else str(number)
    if isinstance(value, bytes):
        return b64encode(value).decode()
    shown = scalar(value)
    return None if shown is None else text_of(shown)


def instant(at_ms: int) -> datetime:
    """Instants before the year 1 and after 9999 are the first and last that there are."""
    if at_ms <= INSTANT_MS_MIN:
        return EARLIEST
    return LATEST if at_ms >= INSTANT_MS_MAX else EPOCH + timedelta(milliseconds=at_ms)
