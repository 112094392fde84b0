"""What the broker tells of itself, as a page."""

from docs.reference.markdown import MADE, table
from peeklock.frontends.mqtt_system_topics import PREFIX, TOPICS
from peeklock.limits import METRICS_ENTITIES_MAX, MQTT_SYSTEM_INTERVAL
from peeklock.management.metrics import ENTITY_FAMILIES, Family
from peeklock.server.metrics import BROKER_FAMILIES, JOURNAL_FAMILIES, MQTT_FAMILIES


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

## Over HTTP: `/metrics`

In the text format of Prometheus, or as OpenMetrics for those who ask for it with `Accept`. [How to use
it](../howto/monitoring.md). Names and labels are part of the API. Where it does not say otherwise, what counts up counts since
the broker started. Nothing is measured before somebody asks; the process' own figures, `process_…`, are there, too.

### The broker

{families(BROKER_FAMILIES)}
### The journal

{families(JOURNAL_FAMILIES)}
With `--ephemeral`, only the first three of these. Before the first snapshot, none of its two.

### Entities

`entity` is the path of a queue or a subscription, `tickets/Subscriptions/erp`, or a topic's. Their labels are bounded: the first
{METRICS_ENTITIES_MAX} queues and subscriptions have some, and as many topics.

{families(ENTITY_FAMILIES)}
### MQTT

Of all clients together: no label is chosen by them.

{families(MQTT_FAMILIES)}"""


def families(found: tuple[Family, ...]) -> str:
    rows = [
        (f"`{one.name}`", one.kind, ", ".join(f"`{label}`" for label in one.labels), one.about)
        for one in found
    ]
    return table(("metric", "is a", "labels", "is"), rows)
