"""Settings by Service Bus' names."""

from typing import Any

import pytest

from peeklock.entities.settings import QueueSettings, Status, TopicSettings
from peeklock.entities.settings_map import with_changes
from peeklock.errors import InvalidRequest
from peeklock.management.operations import settings_from
from peeklock.management.service_bus import NEVER_TEXT, changes_from, properties_of
from peeklock.management.service_bus_kept import access_rules_of

PLAIN = QueueSettings()


@pytest.mark.parametrize(
    ("given", "changes"),
    [
        ({"LockDuration": "PT5S"}, {"lock_duration_ms": 5000}),
        ({"DefaultMessageTimeToLive": "PT1H"}, {"default_ttl_ms": 3_600_000}),
        ({"DefaultMessageTimeToLive": NEVER_TEXT}, {"default_ttl_ms": 0}),
        ({"AutoDeleteOnIdle": "P10675199DT2H48M5.477580S"}, {"auto_delete_on_idle_ms": 0}),
        ({"MaxDeliveryCount": 3}, {"max_delivery_count": 3}),
        ({"MaxDeliveryCount": "3"}, {"max_delivery_count": 3}),
        ({"MaxSizeInMegabytes": 1}, {"max_bytes": 1 << 20}),
        ({"MaxMessageSizeInKilobytes": "256"}, {"max_message_bytes": 256 << 10}),
        ({"RequiresSession": True}, {"requires_session": True}),
        ({"RequiresSession": "true"}, {"requires_session": True}),
        ({"DeadLetteringOnMessageExpiration": "1"}, {"dead_letter_on_expiry": True}),
        ({"ForwardTo": "sb://localhost:5300/a/b%20c"}, {"forward_to": "a/b c"}),
        ({"ForwardDeadLetteredMessagesTo": "dead"}, {"forward_dead_letters_to": "dead"}),
        ({"ForwardTo": ""}, {"forward_to": ""}),
        ({"Status": "senddisabled"}, {"status": "send-disabled"}),
        ({"UserMetadata": "ours"}, {"user_metadata": "ours"}),
        ({"RequiresDuplicateDetection": True}, {"duplicate_window_ms": 600_000}),
        (
            {
                "RequiresDuplicateDetection": "true",
                "DuplicateDetectionHistoryTimeWindow": "PT20S",
            },
            {"duplicate_window_ms": 20_000},
        ),
        ({"DuplicateDetectionHistoryTimeWindow": "PT20S"}, {}),
        (
            {"EnablePartitioning": "true", "EnableBatchedOperations": False},
            {"service_bus": '{"EnablePartitioning":true,"EnableBatchedOperations":false}'},
        ),
        ({"EnablePartitioning": "false", "EnableBatchedOperations": True}, {}),
        ({"AuthorizationRules": ""}, {}),
        ({"AuthorizationRules": []}, {}),
        (
            {"AuthorizationRules": [{"KeyName": "a", "Rights": ["Send"]}]},
            {"service_bus": '{"AuthorizationRules":[{"Rights":["Send"],"KeyName":"a"}]}'},
        ),
        ({"IsAnonymousAccessible": "false"}, {}),
    ],
)
def test_changes(given: dict[str, Any], changes: dict[str, Any]) -> None:
    assert changes_from(given, PLAIN) == changes


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"LockDuration": "PT0S"}, "LockDuration is 'PT0S': lock_duration_ms is 0; allowed is"),
        ({"LockDuration": "soon"}, "LockDuration is 'soon': 'soon' is no duration"),
        ({"LockDuration": 5}, "LockDuration is 5: that is no text"),
        ({"DefaultMessageTimeToLive": "PT0S"}, "it is at least a millisecond"),
        ({"DefaultMessageTimeToLive": "PT0.0001S"}, "it is at least a millisecond"),
        ({"AutoDeleteOnIdle": "PT1M"}, "allowed is 0 for none, or 300000"),
        ({"MaxDeliveryCount": 0}, "MaxDeliveryCount is 0: max_delivery_count is 0; allowed"),
        ({"MaxDeliveryCount": "many"}, "no whole number"),
        ({"MaxDeliveryCount": "9" * 5000}, "no whole number"),
        ({"MaxDeliveryCount": True}, "no whole number"),
        ({"MaxSizeInMegabytes": -1}, "allowed is"),
        ({"RequiresSession": "maybe"}, "there are true and false"),
        ({"Status": "Creating"}, "there are Active, Disabled, SendDisabled, ReceiveDisabled"),
        ({"UserMetadata": "x" * 1025}, "allowed are 1024"),
        ({"EnableExpress": "maybe"}, "EnableExpress is 'maybe': there are true and false"),
        ({"IsAnonymousAccessible": "true"}, "IsAnonymousAccessible is 'true': who gets in"),
        ({"FilteringMessagesBeforePublishing": True}, "what no subscription takes is dropped"),
        ({"AuthorizationRules": "all"}, "AuthorizationRules is a list of rules"),
        ({"AuthorizationRules": ["all"]}, "AuthorizationRules[0] is no rule"),
        ({"AuthorizationRules": [{"KeyName": 1}]}, "AuthorizationRules[0]: KeyName is no text"),
        (
            {"AuthorizationRules": [{}, {"Rights": ["Look"]}]},
            "AuthorizationRules[1]: Rights: there are Manage, Send, Listen",
        ),
        (
            {"AuthorizationRules": [{"PrimaryKey": "x" * 9000}]},
            "AuthorizationRules are 9042 characters; allowed are 8192",
        ),
        (
            {
                "RequiresDuplicateDetection": True,
                "DuplicateDetectionHistoryTimeWindow": "PT0S",
            },
            "DuplicateDetectionHistoryTimeWindow is 'PT0S': a window has some length",
        ),
        (
            {"LockDurations": "PT1S"},
            "no property 'LockDurations'; there are AuthorizationRules",
        ),
    ],
)
def test_refusals_name_the_property(given: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        changes_from(given, PLAIN)
    assert why in str(raised.value)


def test_a_topic_has_no_locks() -> None:
    with pytest.raises(InvalidRequest, match="no property 'LockDuration'"):
        changes_from({"LockDuration": "PT5S"}, TopicSettings())


@pytest.mark.parametrize(
    "settings",
    [
        PLAIN,
        QueueSettings(
            lock_duration_ms=1500,
            default_ttl_ms=90_061_001,
            max_bytes=5000,  # less than the unit in which it is told
            max_message_bytes=1000,
            duplicate_window_ms=20_000,
            status=Status.RECEIVE_DISABLED,
            user_metadata="ours",
            forward_dead_letters_to="dead",
        ),
        TopicSettings(max_bytes=(3 << 20) + 1, auto_delete_on_idle_ms=300_000),
        QueueSettings(service_bus='{"EnableExpress":true,"AuthorizationRules":[{}]}'),
    ],
    ids=("plain", "queue", "topic", "kept"),
)
def test_sending_back_what_was_told_changes_nothing(
    settings: QueueSettings | TopicSettings,
) -> None:
    """As clients update: they send all of it."""
    told = properties_of(settings)
    if isinstance(settings, QueueSettings):
        assert settings_from(changes_from(told, settings), settings) == settings
    else:
        assert with_changes(settings, changes_from(told, settings)) == settings


def test_told() -> None:
    told = properties_of(QueueSettings(duplicate_window_ms=20_000, lock_duration_ms=90_000))
    assert told["LockDuration"] == "PT1M30S"
    assert told["DefaultMessageTimeToLive"] == NEVER_TEXT
    assert told["RequiresDuplicateDetection"] == "true"
    assert told["DuplicateDetectionHistoryTimeWindow"] == "PT20S"
    assert (told["Status"], told["RequiresSession"]) == ("Active", "false")
    assert properties_of(PLAIN)["DuplicateDetectionHistoryTimeWindow"] == "PT10M"


def test_what_is_kept_is_told_and_stays_until_something_else_is_said() -> None:
    kept = {"EnableExpress": True, "SupportOrdering": False}
    one = settings_from(changes_from(kept, PLAIN), PLAIN)
    told = properties_of(one)
    assert (told["EnableExpress"], told["SupportOrdering"]) == ("true", "false")
    assert told["EnablePartitioning"] == "false"
    rule = {"type": "SharedAccessAuthorizationRule", "KeyName": "a", "Rights": ["Listen"]}
    two = settings_from(changes_from({"AuthorizationRules": [rule]}, one), one)
    assert properties_of(two)["EnableExpress"] == "true"
    assert access_rules_of(two) == [rule]
    less = {"AuthorizationRules": [], "EnableExpress": False, "SupportOrdering": True}
    assert settings_from(changes_from(less, two), two) == PLAIN


@pytest.mark.parametrize("text", ["{", "[]", '{"EnableExpress":3,"AuthorizationRules":5}'])
def test_what_somebody_else_wrote_there_says_nothing(text: str) -> None:
    settings = QueueSettings(service_bus=text)
    assert properties_of(settings) == properties_of(PLAIN)
    assert access_rules_of(settings) == []
