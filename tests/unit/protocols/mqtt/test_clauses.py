"""Normative statements: those that the engine names exist, and the corpus breaks each."""

import re
from pathlib import Path

import pytest

from peeklock.protocols.mqtt.clauses import V3_CLAUSES, clause_for
from peeklock.protocols.mqtt.connection_state import FORBIDS
from tests.support.mqtt_corpus import cases

ENGINE = Path(__file__).parents[4] / "broker/peeklock/protocols/mqtt"
SOURCES = sorted(ENGINE.glob("*.py"))
# How many statements each section of 5.0 has (appendix B).
STATEMENTS = {
    "1.5.4": 3, "1.5.5": 1, "1.5.7": 1, "2.1.3": 1, "2.2.1": 6, "2.2.2": 1, "3.1.0": 2,
    "3.1.2": 30, "3.1.3": 12, "3.1.4": 6, "3.2.0": 2, "3.2.2": 22, "3.3.1": 13, "3.3.2": 20,
    "3.3.4": 10, "3.4.2": 3, "3.5.2": 3, "3.6.1": 1, "3.6.2": 3, "3.7.2": 3, "3.8.1": 1,
    "3.8.3": 5, "3.8.4": 8, "3.9.2": 2, "3.9.3": 2, "3.10.1": 1, "3.10.3": 2, "3.10.4": 6,
    "3.11.2": 2, "3.11.3": 2, "3.12.4": 1, "3.14.0": 1, "3.14.1": 1, "3.14.2": 4, "3.14.4": 3,
    "3.15.1": 1, "3.15.2": 3, "4.1.0": 2, "4.2.0": 1, "4.3.1": 1, "4.3.2": 5, "4.3.3": 13,
    "4.4.0": 2, "4.5.0": 2, "4.6.0": 6, "4.7.0": 1, "4.7.1": 2, "4.7.2": 1, "4.7.3": 4,
    "4.8.2": 6, "4.9.0": 3, "4.12.0": 7, "4.12.1": 2, "4.13.1": 1, "4.13.2": 1, "6.0.0": 4,
}  # fmt: skip
OF_THE_OTHER = "clauses.py"  # names statements of 3.1.1
TAG = re.compile(r"MQTT-(\d\.\d+\.\d+)-(\d+)( of 3\.1\.1)?")
RAISED = re.compile(r"(?:malformed|protocol_error|MqttViolation)\(\s*f?\"([^\"]+)\"")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_statements_that_are_named_exist(path: Path) -> None:
    if path.name == OF_THE_OTHER:
        return
    for section, number, other in TAG.findall(path.read_text()):
        assert other or 0 < int(number) <= STATEMENTS[section], f"{section}-{number}"


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
    for section in V3_CLAUSES:
        assert TAG.fullmatch(section)
