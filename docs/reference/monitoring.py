"""What the broker tells of itself, as a page."""

from docs.reference.markdown import MADE, table
from peeklock.frontends.mqtt_system_topics import PREFIX, TOPICS
from peeklock.limits import MQTT_SYSTEM_INTERVAL


def monitoring_page() -> str:
    rows = [(f"`…/{topic.name}`", topic.unit, topic.about) for topic in TOPICS]
    return f"""# What the broker tells of itself

{MADE}
## Over MQTT: `{PREFIX}…`

By the names that Mosquitto has for it. Who has the right to listen may subscribe; nobody can publish there, and
`#` does not match it. A subscription is granted QoS 0, is told what there is at once, with RETAIN, and every
{MQTT_SYSTEM_INTERVAL // 1000} seconds what has changed. What counts up counts since the broker started, of all clients that were let in.

{table(("topic", "unit", "is"), rows)}
While nobody is subscribed nothing is looked up. What came meanwhile counts for the averages of `load/…` as if it had
come evenly.
"""
