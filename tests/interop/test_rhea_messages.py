"""rhea against the broker: what a message is comes back as it went in.

The program tells what it sent and what came back as text that names the AMQP types.
"""

from typing import Any

import pytest

from tests.interop.rhea_client import play
from tests.support.broker_process import BrokerProcess

pytestmark = pytest.mark.interop

# Types as rhea names them, which each show up in a body of their own.
TYPES = {
    "Null",
    "Boolean",
    "Ubyte",
    "Ushort",
    "Uint",
    "Ulong",
    "Byte",
    "Short",
    "Int",
    "Long",
    "Float",
    "Double",
    "Decimal32",
    "Decimal64",
    "Decimal128",
    "CharUTF32",
    "Timestamp",
    "Uuid",
    "Vbin",
    "Str",
    "Sym",
    "List",
    "Array",
}
OUR_OWN = "Sym x-opt-"


@pytest.fixture
def given(open_broker: BrokerProcess, queue: str) -> dict[str, Any]:
    return {"port": open_broker.amqp_port, "queue": queue}


def test_bodies(given: dict[str, Any]) -> None:
    """Of each kind (§3.2.6–3.2.8), and of each type."""
    bodies = play("messages", "bodies", **given)
    assert {name: body["got"] for name, body in bodies.items()} == {
        name: body["sent"] for name, body in bodies.items()
    }
    sections = {section for body in bodies.values() for section, _shown in body["got"]}
    assert sections == {"amqp-value", "amqp-sequence", "data"}
    shown = [shown for body in bodies.values() for _section, shown in body["got"]]
    assert {text.split()[0] for text in shown if isinstance(text, str)} >= TYPES
    assert any(isinstance(one, dict) for one in shown)  # a map
    assert len(bodies["dataSeveral"]["got"]) == 2
    assert len(bodies["sequenceSeveral"]["got"]) == 3


@pytest.mark.parametrize("dead", [False, True], ids=["straight", "dead-lettered"])
@pytest.mark.parametrize("id_", ["order-1", "uuid"])
def test_sections(given: dict[str, Any], id_: str, dead: bool) -> None:
    """The broker adds what is its own, and leaves all else alone."""
    told = play("messages", "sections", id=id_, dead=dead, **given)
    sent, got = told["sent"], told["got"]
    annotations = got.pop("message-annotations")
    kept = {name: text for name, text in annotations.items() if not name.startswith(OUR_OWN)}
    assert kept == sent.pop("message-annotations")
    assert annotations["Sym x-opt-sequence-number"] == "Long 1"
    if dead:
        properties = got["application-properties"]
        assert properties.pop("Str DeadLetterReason") == "Str app:bad"
        assert properties.pop("Str DeadLetterErrorDescription") == "Str test"
    header = "List [Boolean true, Ubyte 9, Uint 60000"  # durable, priority, ttl
    assert sent.pop("header") == f"{header}]"
    assert got.pop("header").startswith(f"{header}, ")
    del sent["delivery-annotations"]  # §3.2.2: they were for the broker
    assert got == sent
