"""Reason codes (5.0 §2.4): what each means, which packet may carry it, and what breaks a rule.

Plain numbers and no enum: one is read for each acknowledgement. Inside the engine everything
speaks 5.0's codes; 3.1.1's few return codes are translated where they are read and written.
"""

from typing import Final

from peeklock.errors import ProtocolViolation

SUCCESS: Final = 0x00  # also: normal disconnection, granted QoS 0
GRANTED_QOS_1: Final = 0x01
GRANTED_QOS_2: Final = 0x02
DISCONNECT_WITH_WILL: Final = 0x04
NO_MATCHING_SUBSCRIBERS: Final = 0x10
NO_SUBSCRIPTION_EXISTED: Final = 0x11
CONTINUE_AUTHENTICATION: Final = 0x18
REAUTHENTICATE: Final = 0x19
UNSPECIFIED_ERROR: Final = 0x80
MALFORMED_PACKET: Final = 0x81
PROTOCOL_ERROR: Final = 0x82
IMPLEMENTATION_SPECIFIC_ERROR: Final = 0x83
UNSUPPORTED_PROTOCOL_VERSION: Final = 0x84
CLIENT_IDENTIFIER_NOT_VALID: Final = 0x85
BAD_USER_NAME_OR_PASSWORD: Final = 0x86
NOT_AUTHORIZED: Final = 0x87
SERVER_UNAVAILABLE: Final = 0x88
SERVER_BUSY: Final = 0x89
BANNED: Final = 0x8A
SERVER_SHUTTING_DOWN: Final = 0x8B
BAD_AUTHENTICATION_METHOD: Final = 0x8C
KEEP_ALIVE_TIMEOUT: Final = 0x8D
SESSION_TAKEN_OVER: Final = 0x8E
TOPIC_FILTER_INVALID: Final = 0x8F
TOPIC_NAME_INVALID: Final = 0x90
PACKET_IDENTIFIER_IN_USE: Final = 0x91
PACKET_IDENTIFIER_NOT_FOUND: Final = 0x92
RECEIVE_MAXIMUM_EXCEEDED: Final = 0x93
TOPIC_ALIAS_INVALID: Final = 0x94
PACKET_TOO_LARGE: Final = 0x95
MESSAGE_RATE_TOO_HIGH: Final = 0x96
QUOTA_EXCEEDED: Final = 0x97
ADMINISTRATIVE_ACTION: Final = 0x98
PAYLOAD_FORMAT_INVALID: Final = 0x99
RETAIN_NOT_SUPPORTED: Final = 0x9A
QOS_NOT_SUPPORTED: Final = 0x9B
USE_ANOTHER_SERVER: Final = 0x9C
SERVER_MOVED: Final = 0x9D
SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: Final = 0x9E
CONNECTION_RATE_EXCEEDED: Final = 0x9F
MAXIMUM_CONNECT_TIME: Final = 0xA0
SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED: Final = 0xA1
WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED: Final = 0xA2

FAILURE: Final = 0x80  # codes from here on say that it did not work

# Which codes a packet may carry: §3.2.2.2, §3.4.2.1, §3.6.2.1, §3.9.3, §3.11.3, §3.14.2.1,
# §3.15.2.1. Table 2-6 also gives 0x8C to DISCONNECT, where re-authentication needs it.
CONNACK_CODES: Final = frozenset(
    [0, *range(0x80, 0x8B), 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F]
)
PUBLISH_CODES: Final = frozenset([0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
RELEASE_CODES: Final = frozenset([0, 0x92])
SUBACK_CODES: Final = frozenset([0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2])
UNSUBACK_CODES: Final = frozenset([0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91])
DISCONNECT_CODES: Final = frozenset(
    [0, 4, *range(0x80, 0x84), 0x87, 0x89, *range(0x8B, 0x91), *range(0x93, 0xA3)]
)
AUTH_CODES: Final = frozenset([SUCCESS, CONTINUE_AUTHENTICATION, REAUTHENTICATE])

# 3.1.1 §3.2.2.3: the return codes of its CONNACK, as 5.0 would say them.
FROM_RETURN_CODE: Final[dict[int, int]] = {
    0: SUCCESS,
    1: UNSUPPORTED_PROTOCOL_VERSION,
    2: CLIENT_IDENTIFIER_NOT_VALID,
    3: SERVER_UNAVAILABLE,
    4: BAD_USER_NAME_OR_PASSWORD,
    5: NOT_AUTHORIZED,
}
# And back. A refusal that is not here has no return code: the connection is just closed.
RETURN_CODES: Final[dict[int, int]] = {
    SUCCESS: 0,
    UNSUPPORTED_PROTOCOL_VERSION: 1,
    CLIENT_IDENTIFIER_NOT_VALID: 2,
    SERVER_UNAVAILABLE: 3,
    SERVER_BUSY: 3,
    QUOTA_EXCEEDED: 3,
    CONNECTION_RATE_EXCEEDED: 3,
    BAD_USER_NAME_OR_PASSWORD: 4,
    NOT_AUTHORIZED: 5,
    BANNED: 5,
    BAD_AUTHENTICATION_METHOD: 5,
}


class MqttViolation(ProtocolViolation):
    """The peer broke a rule; `section` is its normative tag, `reason_code` what 5.0 answers."""

    def __init__(self, section: str, what: str, reason_code: int) -> None:
        super().__init__(section, what, f"mqtt:0x{reason_code:02x}")
        self.reason_code = reason_code


def malformed(section: str, what: str) -> MqttViolation:
    """The bytes are no packet of this specification (§1.2)."""
    return MqttViolation(section, what, MALFORMED_PACKET)


def protocol_error(section: str, what: str) -> MqttViolation:
    """The packet can be read, and may not be like this, or not now (§1.2)."""
    return MqttViolation(section, what, PROTOCOL_ERROR)
