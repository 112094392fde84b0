"""What a server does not offer, and a client is refused for (§3.2.2.3)."""

from peeklock.protocols.mqtt.connect import Connect
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.reason_codes import (
    QOS_NOT_SUPPORTED,
    RETAIN_NOT_SUPPORTED,
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
    MqttViolation,
    protocol_error,
)
from peeklock.protocols.mqtt.settings import ConnectionSettings
from peeklock.protocols.mqtt.subscribe import Subscribe
from peeklock.protocols.mqtt.topics import has_wildcard, shared_filter


def check_will(connect: Connect, settings: ConnectionSettings) -> None:
    will = connect.will
    if will is None:
        return
    if will.qos > settings.maximum_qos:
        what = f"a will with QoS {will.qos}; the maximum is {settings.maximum_qos}"
        raise MqttViolation("MQTT-3.2.2-12", what, QOS_NOT_SUPPORTED)
    if will.retain and not settings.retain_available:
        raise MqttViolation("MQTT-3.2.2-13", "a retained will", RETAIN_NOT_SUPPORTED)


def check_publish(publish: Publish, settings: ConnectionSettings) -> None:
    if publish.qos > settings.maximum_qos:
        what = f"a PUBLISH with QoS {publish.qos}; the maximum is {settings.maximum_qos}"
        raise MqttViolation("MQTT-3.2.2-11", what, QOS_NOT_SUPPORTED)
    if publish.retain and not settings.retain_available:
        raise MqttViolation("MQTT-3.2.2-14", "a retained PUBLISH", RETAIN_NOT_SUPPORTED)
    if publish.properties.subscription_identifiers:
        raise protocol_error("MQTT-3.3.4-6", "a subscription identifier from a client")


def check_subscribe(subscribe: Subscribe, settings: ConnectionSettings) -> None:
    """Any QoS may be asked for, whatever there is [MQTT-3.2.2-10]."""
    if subscribe.properties.subscription_identifiers:
        if not settings.subscription_identifiers_available:
            raise MqttViolation(
                "MQTT 5.0 §3.2.2.3.12",
                "a subscription identifier, which is not available",
                SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
            )
    for one in subscribe.filters:
        if not settings.wildcard_subscription_available and has_wildcard(one.topic_filter):
            raise MqttViolation(
                "MQTT 5.0 §3.2.2.3.11",
                f"a wildcard in {one.topic_filter!r:.80}, which is not available",
                WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
            )
        if not settings.shared_subscription_available and shared_filter(one.topic_filter):
            raise MqttViolation(
                "MQTT 5.0 §3.2.2.3.13",
                f"the shared subscription {one.topic_filter!r:.80}, which is not available",
                SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
            )
