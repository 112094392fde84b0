"""What an entity's owner may choose, validated once, when it is made."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from peeklock.entities.push import NO_PUSH, Push
from peeklock.entities.ranges import none_or_within, real_within, within
from peeklock.errors import InvalidRequest
from peeklock.limits import (
    AUTO_DELETE_ON_IDLE_MIN,
    DUPLICATE_WINDOW_MAX,
    DUPLICATE_WINDOW_MIN,
    DURATION_MAX,
    LOCK_DURATION_DEFAULT,
    LOCK_DURATION_MAX,
    LOCK_DURATION_MIN,
    MAX_DELIVERY_COUNT_DEFAULT,
    MAX_DELIVERY_COUNT_MAX,
    MESSAGE_BYTES_DEFAULT,
    MESSAGE_BYTES_MAX,
    QUEUE_BYTES_DEFAULT,
    SERVICE_BUS_CHARACTERS_MAX,
    USER_METADATA_CHARACTERS_MAX,
)
from peeklock.types import Millis

# What a rule compares with. An instant has no zone or UTC, as its author wrote
# it; both mean UTC.
Scalar: TypeAlias = str | bool | int | float | datetime | timedelta


class Status(StrEnum):
    """Whether an entity takes messages in and hands them out."""

    ACTIVE = "active"
    DISABLED = "disabled"  # neither
    SEND_DISABLED = "send-disabled"
    RECEIVE_DISABLED = "receive-disabled"

    @property
    def sends(self) -> bool:
        return self is Status.ACTIVE or self is Status.RECEIVE_DISABLED

    @property
    def receives(self) -> bool:
        return self is Status.ACTIVE or self is Status.SEND_DISABLED


class Overflow(StrEnum):
    """What a full queue does with one more message."""

    REJECT = "reject"  # refuse it: the sender hears `resource-limit-exceeded`
    DROP_OLDEST = "drop-oldest"  # make room: the oldest free messages go


@dataclass(frozen=True)
class RetryPolicy:
    """How long a failed message waits: first × factor^(failures-1), at most `cap_ms`.

    `jitter` is the share of the delay that chance may take off, 0 to 1. A first delay of 0
    means: again at once.
    """

    first_ms: int = 0  # how long the first failure waits; 0: again at once
    factor: float = 2.0  # by how much each further failure waits longer
    cap_ms: int = 600_000  # the longest wait
    jitter: float = 0.0  # the share of a wait that chance may take off

    def __post_init__(self) -> None:
        within("retry_first_ms", self.first_ms, 0, DURATION_MAX)
        within("retry_cap_ms", self.cap_ms, 0, DURATION_MAX)
        real_within("retry_factor", self.factor, 1.0, 100.0)
        real_within("retry_jitter", self.jitter, 0.0, 1.0)

    def delay(self, failures: int, chance: float) -> Millis:
        """Milliseconds to wait after the `failures`-th failure; `chance` is in [0, 1)."""
        if self.first_ms == 0:
            return Millis(0)
        # The exponent is bounded so that the power stays a finite float: 100 ** 100.
        raw = min(self.first_ms * self.factor ** min(failures - 1, 100), float(self.cap_ms))
        return Millis(int(raw * (1.0 - self.jitter * chance)))


@dataclass(frozen=True)
class QueueSettings:
    """A queue's or subscription's choices. Durations in milliseconds, sizes in bytes; 0: none.

    `FIXED` are those that order or key what is stored: they are chosen once, at creation.
    """

    lock_duration_ms: int = LOCK_DURATION_DEFAULT  # how long a worker holds a job unrenewed
    max_delivery_count: int = MAX_DELIVERY_COUNT_DEFAULT  # failures, then it is a dead letter
    default_ttl_ms: int = 0  # the longest a message lives; 0: as long as its sender says
    dead_letter_on_expiry: bool = False  # what expires is a dead letter instead of dropped
    priorities: bool = False  # strict order by priority 0–9, highest first
    max_bytes: int = QUEUE_BYTES_DEFAULT  # of all its messages
    max_messages: int = 0  # 0: no bound but max_bytes
    max_message_bytes: int = MESSAGE_BYTES_DEFAULT  # of one message
    overflow: Overflow = Overflow.REJECT  # what a full queue does with one more
    retry: RetryPolicy = RetryPolicy()
    dispatch: bool = True  # false: paused; messages come in and are not handed out
    temporary: bool = False  # goes with the link that made it (a dynamic node), or at a restart
    requires_session: bool = False  # messages are handed out by message session only
    duplicate_window_ms: int = 0  # a message-id seen within it is taken and dropped
    forward_to: str = ""  # what arrives goes to this queue or topic instead
    forward_dead_letters_to: str = ""  # what is dead-lettered goes to this one instead
    auto_delete_on_idle_ms: int = 0  # unused for so long, it goes with all it has
    status: Status = Status.ACTIVE  # whether it takes messages in and hands them out
    dead_letter_on_filter_error: bool = True  # what its rules fail on is a dead letter
    user_metadata: str = ""  # the owner's own words
    service_bus: str = ""  # what its clients say that means nothing here, as JSON; it has keys
    push: Push = NO_PUSH  # a webhook that all its messages go to

    def __post_init__(self) -> None:
        within("lock_duration_ms", self.lock_duration_ms, LOCK_DURATION_MIN, LOCK_DURATION_MAX)
        within("max_delivery_count", self.max_delivery_count, 1, MAX_DELIVERY_COUNT_MAX)
        within("default_ttl_ms", self.default_ttl_ms, 0, DURATION_MAX)
        within("max_bytes", self.max_bytes, 1, 1 << 62)
        within("max_messages", self.max_messages, 0, 1 << 62)
        within("max_message_bytes", self.max_message_bytes, 1, MESSAGE_BYTES_MAX)
        check_shared(self.duplicate_window_ms, self.auto_delete_on_idle_ms)
        check_texts(self.user_metadata, self.service_bus)
        if self.requires_session and (self.forward_to or self.priorities):
            raise InvalidRequest(
                "requires_session goes neither with forward_to nor with priorities: "
                "a session's messages stay where they are, in their order"
            )
        if self.push.to and (self.requires_session or self.forward_to):
            raise InvalidRequest(
                "push_to goes neither with requires_session nor with forward_to: "
                "pushing is receiving messages one by one"
            )


FIXED: Final = ("priorities", "requires_session")


@dataclass(frozen=True)
class TopicSettings:
    """A topic's choices, which hold before its subscriptions' own."""

    default_ttl_ms: int = 0  # the longest a message lives; 0: as long as its sender says
    max_bytes: int = QUEUE_BYTES_DEFAULT  # of what its subscriptions and last values hold
    max_message_bytes: int = MESSAGE_BYTES_DEFAULT  # of one message
    duplicate_window_ms: int = 0  # a message-id seen within it is taken and dropped
    auto_delete_on_idle_ms: int = 0  # unused for so long, the topic goes
    keep_last_value: bool = False  # of each subject, its newest signal, for who comes later
    event_schema: str = ""  # JSON Schema that messages' data have to conform to
    events_only: bool = False  # what is no valid CloudEvent is refused
    status: Status = Status.ACTIVE  # whether it takes messages in and hands them out
    user_metadata: str = ""  # the owner's own words
    service_bus: str = ""  # what its clients say that means nothing here, as JSON; it has keys

    def __post_init__(self) -> None:
        within("default_ttl_ms", self.default_ttl_ms, 0, DURATION_MAX)
        within("max_bytes", self.max_bytes, 1, 1 << 62)
        within("max_message_bytes", self.max_message_bytes, 1, MESSAGE_BYTES_MAX)
        check_shared(self.duplicate_window_ms, self.auto_delete_on_idle_ms)
        check_texts(self.user_metadata, self.service_bus)


def check_shared(duplicate_window_ms: int, auto_delete_on_idle_ms: int) -> None:
    """What queues and topics have alike."""
    none_or_within(
        "duplicate_window_ms", duplicate_window_ms, DUPLICATE_WINDOW_MIN, DUPLICATE_WINDOW_MAX
    )
    none_or_within(
        "auto_delete_on_idle_ms", auto_delete_on_idle_ms, AUTO_DELETE_ON_IDLE_MIN, DURATION_MAX
    )


def check_texts(metadata: str, service_bus: str) -> None:
    for name, text, most in (
        ("user_metadata", metadata, USER_METADATA_CHARACTERS_MAX),
        ("service_bus", service_bus, SERVICE_BUS_CHARACTERS_MAX),
    ):
        if len(text) > most:
            raise InvalidRequest(f"{name} has {len(text)} characters; allowed are {most}")


@dataclass(frozen=True)
class RuleSettings:
    """A subscription's rule: which messages it takes, and what it changes on its copy.

    `kind` is the filter's: "true", "false", "sql", "correlation", or another language's name.
    An expression's text is kept as its author wrote it. `properties` are a correlation
    filter's: name and value, system properties as "sys.…". `parameters` are the values of
    `@names` in a SQL expression, `action_parameters` in the action; a name is kept as its
    author wrote it, with the @ or without.
    """

    name: str
    kind: str = "true"
    expression: str = ""
    properties: tuple[tuple[str, Scalar], ...] = ()
    action: str = ""  # SET and REMOVE statements; "": none
    parameters: tuple[tuple[str, Scalar], ...] = ()
    action_parameters: tuple[tuple[str, Scalar], ...] = ()
