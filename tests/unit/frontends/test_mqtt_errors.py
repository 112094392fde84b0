"""Every refusal has its reason codes."""

from peeklock.errors import BrokerError
from peeklock.frontends.errors_on_the_wire import ON_THE_WIRE
from peeklock.frontends.mqtt_errors import REASON_CODES, publish_code, subscribe_code
from peeklock.protocols.mqtt.reason_codes import PUBLISH_CODES, SUBACK_CODES


def test_the_table_is_total() -> None:
    assert set(REASON_CODES) == set(ON_THE_WIRE)


def test_each_code_is_one_of_its_packet() -> None:
    for kind, (publish, subscribe) in REASON_CODES.items():
        assert issubclass(kind, BrokerError)
        assert publish in PUBLISH_CODES, kind
        assert subscribe in SUBACK_CODES, kind
        error = kind.__new__(kind)
        assert (publish_code(error), subscribe_code(error)) == (publish, subscribe)
