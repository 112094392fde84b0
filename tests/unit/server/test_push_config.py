"""Where webhooks may lead, as the configuration says it."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from peeklock.server.bad_config import BadConfig
from peeklock.server.config import load
from peeklock.server.push_rules import Forbidden, PushRules


def rules_of(tmp_path: Path, text: str, **given: object) -> PushRules:
    file = tmp_path / "peeklock.toml"
    file.write_text(text)
    config = load(dict(given), file)
    return config.push.rules(is_open=config.is_open)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('networks = ["10.0.0.0/99"]', "push.networks: '10.0.0.0/99' does not appear"),
        ('networks = ["10.0.0.1/8"]', "has host bits set"),
        ('trusted = ["erp.example"]', "no origin such as https://erp.example"),
        ('origin = "broker example"', "push.origin"),
        ('callback_url = "broker.example"', "push.callback_url"),
        ('callback_url = "https://broker.example/?a"', "push.callback_url"),
        ('ca = "/no/such.pem"', "push.ca: no file /no/such.pem"),
        ("allow = true", "push.allow: is no setting"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(BadConfig) as refused:
        rules_of(tmp_path, f"[push]\n{text}\n")
    assert why in "\n".join(refused.value.mistakes)


def test_what_is_said_is_so(tmp_path: Path) -> None:
    rules = rules_of(
        tmp_path,
        '[push]\norigin = "broker.example"\ncallback_url = "https://broker.example/a"\n'
        'networks = ["10.0.0.0/8", "fd00::/8"]\ntrusted = ["https://ERP.example"]\n',
    )
    assert rules.origin == "broker.example"
    assert rules.callback_url == "https://broker.example/a"
    assert rules.networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert not rules.asks("https://erp.example:443/events")
    assert rules.asks("https://erp.example:8443/events")
    assert rules.asks("http://erp.example/events")


def test_a_broker_that_says_nothing_has_a_name(tmp_path: Path) -> None:
    assert rules_of(tmp_path, "").origin != ""


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:10.1.2.3", "2002:0a01:0203::1", "64:ff9b::a01:203"),
    ],
)
def test_what_is_not_public_is_forbidden(tmp_path: Path, address: str) -> None:
    with pytest.raises(Forbidden, match="is not public"):
        rules_of(tmp_path, "").check_address(address, is_tls=True)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f::1", "64:ff9b::5db8:d70e", "::ffff:8.8.8.8"]
)
def test_what_is_public_wants_tls(tmp_path: Path, address: str) -> None:
    rules = rules_of(tmp_path, "")
    rules.check_address(address, is_tls=True)
    with pytest.raises(Forbidden, match="without TLS only to a network"):
        rules.check_address(address, is_tls=False)


def test_a_network_that_is_named_needs_none(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, '[push]\nnetworks = ["10.0.0.0/8"]\n')
    rules.check_address("10.1.2.3", is_tls=False)
    rules.check_address("::ffff:10.1.2.3", is_tls=False)
    with pytest.raises(Forbidden):
        rules.check_address("127.0.0.1", is_tls=True)


def test_where_anybody_may_do_anything_this_machine_is_reached(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, "", dev=True)
    rules.check_address("127.0.0.1", is_tls=False)
    rules.check_address("::1", is_tls=False)
    with pytest.raises(Forbidden):
        rules.check_address("10.0.0.1", is_tls=False)
