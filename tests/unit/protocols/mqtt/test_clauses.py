"""Normative statements: those that the engine names exist, and the corpus breaks each."""

import re
from pathlib import Path

import pytest

from peeklock.protocols.mqtt.clauses import V3_CLAUSES, clause_for
from peeklock.protocols.mqtt.connection_state import FORBIDS
from tests.support.mqtt_corpus import cases
from tests.support.mqtt_statements import OWN, RENUMBERED, TAG, V3, V5, wrong_tags

ENGINE = Path(__file__).parents[4] / "broker/peeklock/protocols/mqtt"
SOURCES = sorted(ENGINE.glob("*.py"))
ROOT = ENGINE.parents[3]
BROKER = ROOT / "broker"
OF_THE_OTHER = {"clauses.py", "test_clauses.py"}  # name statements of 3.1.1 as such
TAGGED = sorted(
    path
    for folder in ("broker", "tests", "docs")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".txt", ".md"}
    and path.name not in OF_THE_OTHER
    and "node_modules" not in path.parts
    and "MQTT-" in path.read_text()
)
TAG_NUMBER = re.compile(r"MQTT-([\d.]+-\d+)")
# A statement that no test can name: whatever uses a socket is a test of it; and clients' own.
UNTESTED = {"3.3.4-8", "4.2.0-1"}
# Of 3.1.1: what clients do alone, and what a server does that offers no wildcards.
NOT_OURS = {"3.1.3-7", "3.8.3-2"}
RAISED = re.compile(r"(?:malformed|protocol_error|MqttViolation)\(\s*f?\"([^\"]+)\"")


@pytest.mark.parametrize("path", TAGGED, ids=lambda path: str(path.relative_to(ROOT)))
def test_statements_that_are_named_exist(path: Path) -> None:
    assert wrong_tags(path.read_text()) == set()


def test_a_statement_that_does_not_exist_is_noticed() -> None:
    for text, wrong in (
        ("[MQTT-3.1.2-31] [MQTT-3.1.2-30] [MQTT-2.2.1-1]", {"3.1.2-31", "2.2.1-1"}),
        ("[MQTT-3.3.5-2] [MQTT-3.3.5-2 of 3.1.1]", {"3.3.5-2"}),
        ("[MQTT-3.1.2-25 of 3.1.1] MQTT-9.1-1", {"3.1.2-25 of 3.1.1", "9.1-1"}),
    ):
        assert wrong_tags(text) == wrong


def test_each_statement_is_on_a_line_of_the_broker() -> None:
    """Those of clients, too: the engine is for both ends."""
    found = {tag for path in BROKER.rglob("*.py") for tag in TAG.findall(path.read_text())}
    assert V5 - {number for number, other in found if not other} == set()
    of_v3 = {number for number, other in found if other}
    of_v3 |= set(TAG_NUMBER.findall(" ".join(V3_CLAUSES.values())))
    assert OWN - of_v3 - NOT_OURS == set()


def test_each_statement_has_a_test_that_names_it() -> None:
    texts = [path.read_text() for path in TAGGED if path.is_relative_to(ROOT / "tests")]
    found = {number for text in texts for number, other in TAG.findall(text) if not other}
    assert V5 - found == UNTESTED


def test_each_statement_of_3_1_1_is_one_of_5_0_or_its_own() -> None:
    for number in V3:
        assert number in OWN or RENUMBERED.get(number, number) in V5, number
    assert RENUMBERED.keys() | OWN <= V3
    assert RENUMBERED.keys() & OWN == set()


def test_what_a_connection_of_3_1_1_is_told_exists() -> None:
    for of_v5, of_v3 in V3_CLAUSES.items():
        assert wrong_tags(of_v5) == set()
        for number in TAG_NUMBER.findall(of_v3):
            assert number in V3, of_v3


def enforced() -> set[str]:
    """What a violation can name."""
    found = set(FORBIDS.values())
    for path in SOURCES:
        text = path.read_text()
        found |= set(RAISED.findall(text))
        found |= set(re.findall(r"section = \"(MQTT[^\"]+)\" if", text))
        found |= set(re.findall(r"(?:if is_server|None) else \"(MQTT[^\"]+)\"", text))
    return {one for one in found if one.startswith("MQTT")}


def test_each_statement_that_is_enforced_is_broken_in_the_corpus() -> None:
    hostile = {case.clause for case in cases() if case.lines[-1][:2] in ("= ", "! ")}
    missing = enforced() - hostile
    assert missing == set()
    assert len(enforced()) > 70


def test_a_connection_of_3_1_1_is_told_its_own_number() -> None:
    assert clause_for("MQTT-1.5.4-1", is_v5=True) == "MQTT-1.5.4-1"
    assert clause_for("MQTT-1.5.4-1", is_v5=False) == "MQTT-1.5.3-1"
    assert clause_for("MQTT-3.1.0-1", is_v5=False) == "MQTT-3.1.0-1"
