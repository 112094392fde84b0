"""tests/corpus/mqtt, played: packets, valid and hostile, each with its statement."""

import re

import pytest

from peeklock.protocols.mqtt.clauses import V3_CLAUSES
from tests.support.mqtt_corpus import NOW, Case, Stage, cases

CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    stage = Stage(case)
    stage.play()
    stage.connection.receive_eof(NOW)
    assert stage.connection.closed


def test_there_are_enough_of_both_kinds_in_both_versions() -> None:
    assert len(CASES) > 250
    for version in (4, 5):
        ours = [case for case in CASES if case.version == version]
        hostile = [
            case for case in ours if case.lines[-1][:2] == "= " and "open" not in case.lines[-1]
        ]
        assert len(hostile) > 40
        assert len(ours) - len(hostile) > 20
    assert len({case.name for case in CASES}) == len(CASES)


def test_clauses_look_like_clauses() -> None:
    for text in [*V3_CLAUSES, *(case.clause for case in CASES)]:
        assert re.fullmatch(
            r"MQTT-\d\.\d+\.\d+-\d+( of 3\.1\.1)?|MQTT (5\.0|3\.1\.1) §[\d.]+", text
        )
