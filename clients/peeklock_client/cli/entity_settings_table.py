"""What a queue or topic can be told. Made by docs/reference/generate.py: `make docs`."""

from typing import Final

# Name, default, what is allowed, and what it is.
QUEUE: Final[tuple[tuple[str, str, str, str], ...]] = (
    (
        "lock_duration_ms",
        "1min",
        "100 ms to 1 day",
        "how long a worker holds a job unrenewed",
    ),
    (
        "max_delivery_count",
        "10",
        "1 to 2000000000",
        "failures, then it is a dead letter",
    ),
    (
        "default_ttl_ms",
        "0",
        "0 or more",
        "the longest a message lives; 0: as long as its sender says",
    ),
    (
        "dead_letter_on_expiry",
        "false",
        "true, false",
        "what expires is a dead letter instead of dropped",
    ),
    (
        "priorities",
        "false",
        "true, false",
        "strict order by priority 0–9, highest first",
    ),
    (
        "max_bytes",
        "16GiB",
        "1 byte or more",
        "of all its messages",
    ),
    (
        "max_messages",
        "0",
        "0 or more",
        "0: no bound but max_bytes",
    ),
    (
        "max_message_bytes",
        "100MiB",
        "1 byte to 256 MiB",
        "of one message",
    ),
    (
        "overflow",
        "reject",
        "reject, drop-oldest",
        "what a full queue does with one more",
    ),
    (
        "retry_first_ms",
        "0",
        "",
        "how long the first failure waits; 0: again at once",
    ),
    (
        "retry_factor",
        "2.0",
        "",
        "by how much each further failure waits longer",
    ),
    (
        "retry_cap_ms",
        "10min",
        "",
        "the longest wait",
    ),
    (
        "retry_jitter",
        "0.0",
        "",
        "the share of a wait that chance may take off",
    ),
    (
        "dispatch",
        "true",
        "true, false",
        "false: paused; messages come in and are not handed out",
    ),
    (
        "requires_session",
        "false",
        "true, false",
        "messages are handed out by message session only",
    ),
    (
        "duplicate_window_ms",
        "0",
        "0, or 1 s to 7 days",
        "a message-id seen within it is taken and dropped",
    ),
    (
        "forward_to",
        "",
        "a queue or topic that is there; no loops",
        "what arrives goes to this queue or topic instead",
    ),
    (
        "forward_dead_letters_to",
        "",
        "a queue or topic that is there; no loops",
        "what is dead-lettered goes to this one instead",
    ),
    (
        "auto_delete_on_idle_ms",
        "0",
        "0, or 5 min or more",
        "unused for so long, it goes with all it has",
    ),
    (
        "status",
        "active",
        "active, disabled, send-disabled, receive-disabled",
        "whether it takes messages in and hands them out",
    ),
    (
        "dead_letter_on_filter_error",
        "true",
        "true, false",
        "what its rules fail on is a dead letter",
    ),
    (
        "user_metadata",
        "",
        "up to 1024 characters",
        "the owner's own words",
    ),
    (
        "push_to",
        "",
        "an https:// URL; http:// within push.networks",
        "a URL that each message is POSTed to as a CloudEvent",
    ),
    (
        "push_mode",
        "binary",
        "binary, structured",
        "how the event is written",
    ),
    (
        "push_concurrency",
        "1",
        "1 to 64",
        "requests at a time; 1 keeps the order",
    ),
    (
        "push_per_minute",
        "0",
        "0, or 1 to 60000",
        "requests at most; 0: as many as the receiver allows",
    ),
    (
        "push_timeout_ms",
        "30s",
        "100 ms to 5 min",
        "for the receiver's answer",
    ),
    (
        "push_authorization",
        "",
        "the value of a header",
        "Authorization header; never shown",
    ),
    (
        "push_authorized_until",
        "0",
        "0 or more",
        "when that lapses, in ms since 1970, UTC; 0: never",
    ),
    (
        "push_headers",
        "",
        "up to 16 names and texts",
        "further header fields, as a JSON object",
    ),
    (
        "push_status",
        "active",
        "active, paused, gone",
        "gone: it was told so, with status 410",
    ),
)
TOPIC: Final[tuple[tuple[str, str, str, str], ...]] = (
    (
        "default_ttl_ms",
        "0",
        "0 or more",
        "the longest a message lives; 0: as long as its sender says",
    ),
    (
        "max_bytes",
        "16GiB",
        "1 byte or more",
        "of what its subscriptions and last values hold",
    ),
    (
        "max_message_bytes",
        "100MiB",
        "1 byte to 256 MiB",
        "of one message",
    ),
    (
        "duplicate_window_ms",
        "0",
        "0, or 1 s to 7 days",
        "a message-id seen within it is taken and dropped",
    ),
    (
        "auto_delete_on_idle_ms",
        "0",
        "0, or 5 min or more",
        "unused for so long, the topic goes",
    ),
    (
        "keep_last_value",
        "false",
        "true, false",
        "of each subject, its newest signal, for who comes later",
    ),
    (
        "event_schema",
        "",
        "",
        "JSON Schema that messages' data have to conform to",
    ),
    (
        "status",
        "active",
        "active, disabled, send-disabled, receive-disabled",
        "whether it takes messages in and hands them out",
    ),
    (
        "user_metadata",
        "",
        "up to 1024 characters",
        "the owner's own words",
    ),
)
