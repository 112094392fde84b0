"""Objects of CloudEvents' Subscriptions API: read, refused by name, and written."""

import json
from typing import Any

import pytest

from peeklock.entities.push import Push
from peeklock.entities.settings import QueueSettings, RuleSettings
from peeklock.entities.subscription import Subscription
from peeklock.errors import InvalidFilter, InvalidRequest
from peeklock.frontends.http.subscription_objects import (
    WantedSubscription,
    read_object,
    write_object,
)
from peeklock.frontends.http.subscription_sinks import sink_of
from peeklock.management.event_subscriptions import replace_pushing
from peeklock.management.operations import settings_from
from peeklock.management.ways_on import of_right
from tests.support.house import House

SINK = "https://erp.example/events"
TOKEN: dict[str, object] = {"credentialtype": "ACCESSTOKEN", "accesstoken": "t"}
BY_AMQP: dict[str, object] = {"protocol": "AMQP", "sink": "amqp:///orders"}
LEAST: dict[str, Any] = {"protocol": "HTTP", "sink": SINK, "config": {"topic": "tickets"}}
FILTERS = [
    {"prefix": {"type": "com.github.issue"}},
    {"any": [{"suffix": {"subject": ".png"}}, {"not": {"exact": {"level": "5"}}}]},
    {"sql": "source LIKE '%cloudevents%'"},
]


def read(**members: object) -> WantedSubscription:
    return read_object(json.dumps(LEAST | members).encode(), "broker.example")


def written(wanted: WantedSubscription) -> dict[str, object]:
    """After it was made so."""
    house = House()
    house.queue("orders")
    topic = house.topic("tickets")
    house.subscription(topic, "erp")
    subscription: Subscription = topic.find("erp")
    replace_pushing(
        house.engine, subscription, wanted.settings, wanted.rule, house.now, of_right
    )
    return write_object(topic, subscription, to_owner=True)


def test_the_least_that_there_is() -> None:
    wanted = read()
    assert (wanted.topic, wanted.name) == ("tickets", "")
    assert wanted.settings == {"push_to": SINK}
    assert wanted.rule == RuleSettings("$Default", "events", "[]")
    assert written(wanted) == {
        "id": "tickets/erp",
        "config": {"topic": "tickets", "name": "erp"},
        "sink": SINK,
        "protocol": "HTTP",
        "protocolsettings": {"method": "POST"},
    }


@pytest.mark.parametrize(
    "members",
    [
        {"filters": FILTERS},
        {"source": "/site/berlin"},
        {"types": ["com.example.a", "com.example.b"]},
        {"source": "/site/berlin", "types": ["a"], "filters": FILTERS},
        {"filters": [{"exact": {"source": "/a"}}, {"any": [{"exact": {"type": "b"}}]}]},
        {"filters": [{"all": [{"exact": {"source": "/a", "type": "b"}}]}]},
        {"filters": [{"all": [{"any": [{"exact": {"subject": "b"}}]}]}]},
    ],
)
def test_what_it_says_is_what_is_told(members: dict[str, object]) -> None:
    told = written(read(**members))
    said = {name: told[name] for name in ("source", "types", "filters") if name in told}
    assert said == members


def test_settings_that_are_not_as_by_default_are_told() -> None:
    config = {"topic": "tickets", "name": "erp", "max_delivery_count": 3, "push_concurrency": 8}
    assert written(read(config=config))["config"] == config


@pytest.mark.parametrize(
    ("credential", "header"),
    [
        ({"credentialtype": "PLAIN", "identifier": "u", "secret": "p"}, "Basic dTpw"),
        ({"credentialType": "ACCESSTOKEN", "accessToken": "t"}, "Bearer t"),
        (
            {
                "credentialType": "ACCESSTOKEN",
                "accessToken": "t",
                "accessTokenType": "bearer",
                "accessTokenExpiresUtc": "2030-01-01T00:00:00Z",
            },
            "Bearer t",
        ),
        (None, ""),
    ],
)
def test_credentials_are_headers_and_are_never_told(credential: object, header: str) -> None:
    wanted = read(sinkCredential=credential)
    assert wanted.settings["push_authorization"] == header
    told = written(wanted)
    if credential is None:
        assert "sinkcredential" not in told
        return
    found = told["sinkcredential"]
    assert isinstance(found, dict)
    assert isinstance(credential, dict)
    until = credential.get("accessTokenExpiresUtc")
    assert found.get("accesstokenexpiresutc") == until
    assert set(found) <= {"credentialtype", "accesstokenexpiresutc"}


def test_a_credential_that_is_said_as_it_is_told_is_the_one_that_is_there() -> None:
    for told in ({"credentialtype": "PLAIN"}, {"credentialtype": "ACCESSTOKEN"}):
        wanted = read(sinkcredential=told)
        assert wanted.keeps_secret
        assert wanted.settings == {"push_to": SINK}
    later = {"credentialtype": "ACCESSTOKEN", "accesstokenexpiresutc": "1970-01-01T00:00:01Z"}
    assert read(sinkcredential=later).settings["push_authorized_until"] == 1000
    assert not read(sinkcredential=TOKEN).keeps_secret
    assert not read(sinkcredential=None).keeps_secret


def test_headers_are_told_to_who_may_change_them() -> None:
    headers = {"X-Tenant": "7", "X-Key": "k"}
    wanted = read(protocolsettings={"method": "POST", "headers": headers})
    told = written(wanted)
    assert told["protocolsettings"] == {"method": "POST", "headers": headers}
    settings = settings_from(wanted.settings, QueueSettings())
    shown = sink_of(settings, to_owner=False)
    assert shown["protocolsettings"] == {"method": "POST"}


@pytest.mark.parametrize(
    ("sink", "address"),
    [
        ("amqp:///orders", None),
        ("/orders", None),
        ("amqp://broker.example/orders", None),
        ("AMQPS://BROKER.example:5671/orders", None),
        ("amqp://broker.example", "orders"),
        ("amqp:///orders", "/orders"),
    ],
)
def test_by_amqp_it_forwards_to_a_queue_of_ours(sink: str, address: str | None) -> None:
    settings = {} if address is None else {"address": address}
    wanted = read(protocol="AMQP", sink=sink, protocolsettings=settings)
    assert wanted.settings == {"forward_to": "orders"}
    told = written(wanted)
    assert (told["protocol"], told["sink"]) == ("AMQP", "amqp:///orders")
    assert told["protocolsettings"] == {"address": "orders"}
    assert read(**told).settings == wanted.settings


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"sink": None}, "sink is a string"),
        ({"sink": ""}, "sink is to be there"),
        ({"protocol": "MQTT5"}, "there are 'HTTP', to be pushed to a URL, and 'AMQP'"),
        ({"protocol": "http"}, "there are 'HTTP', to be pushed to a URL, and 'AMQP'"),
        ({"protocolsettings": {"method": "PUT"}}, "protocolsettings.method cannot be 'PUT'"),
        ({"protocolsettings": {"headers": []}}, "headers is an object"),
        ({"protocolsettings": {"retries": 3}}, "protocolsettings.retries cannot be '3'"),
        ({"protocolsettings": []}, "protocolsettings is an object"),
        ({"source": ""}, "source is no empty string"),
        ({"types": ["a", ""]}, "none of them empty"),
        ({"types": "a"}, "types is an array"),
        ({"filters": {}}, "filters is an array"),
        ({"filter": []}, "a subscription has no 'filter'"),
        ({"config": {"push_granted": True}}, "config.push_granted is not set there"),
        ({"config": {"push_to": "https://a.example"}}, "config.push_to is not set there"),
        ({"config": {"topic": 5}}, "config.topic is a string"),
        ({"config": {"rules": ["a"]}, "source": "/a"}, "two ways to say"),
        ({"sinkcredential": {"credentialtype": "REFRESHTOKEN"}}, "no such sinkcredential"),
        ({"sinkcredential": {}}, "no such sinkcredential"),
        ({"sinkcredential": TOKEN | {"accesstokenexpiresutc": "soon"}}, "RFC 3339"),
        ({"sinkcredential": TOKEN | {"accesstokenexpiresutc": "1970-01-01T00:00:00Z"}}, "3339"),
        (BY_AMQP | {"sink": "https://erp.example/"}, "queue or topic of this broker"),
        (BY_AMQP | {"sink": "amqps://elsewhere.example/orders"}, "elsewhere is pushed to"),
        (BY_AMQP | {"sink": "amqp://"}, "sink is to name"),
        (BY_AMQP | {"sink": "amqp://[/orders"}, "is no URL"),
        (BY_AMQP | {"protocolsettings": {"address": "b"}}, "names 'orders'"),
        (BY_AMQP | {"protocolsettings": {"linkname": "b"}}, "linkname: there is address"),
        (BY_AMQP | {"sinkcredential": TOKEN}, "sinkcredential is of subscriptions by HTTP"),
        (BY_AMQP | {"config": {"push_mode": "structured"}}, "push_mode is of subscriptions by"),
        ({"sinkcredential": "secret"}, "sinkcredential is an object"),
    ],
)
def test_what_is_wrong_is_named(members: dict[str, object], why: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(**members)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    "filters",
    [
        [{"unknown": {"type": "a"}}],
        [{"exact": {"type": ""}}],
        [{"exact": {"": "a"}}],
        [{"all": []}],
        [{"sql": "type ="}],
        [5],
    ],
)
def test_filters_that_are_none_are_refused(filters: object) -> None:
    with pytest.raises(InvalidFilter, match="filters"):
        read(filters=filters)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"sink": 1, "sink": 2}',
        b"[" * 100_000,
        b'{"sink": "\\ud800"}',
        b'{"config": {"a": NaN}}',
        b'{"config": {"a": 1e400}}',
    ],
)
def test_what_is_no_object(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="the body is"):
        read_object(body, "")


class TestReplacing:
    def make(self, house: House, *rules: RuleSettings) -> Subscription:
        topic = house.topic("tickets")
        push = Push(to=SINK, authorization="Bearer t", granted=True, granted_per_minute=60)
        house.subscription(topic, "erp", *rules, push=push, max_delivery_count=3)
        return topic.find("erp")

    def test_what_is_not_said_is_as_by_default_but_for_what_the_receiver_knows(self) -> None:
        house = House()
        subscription = self.make(house)
        wanted = read(filters=FILTERS)
        replace_pushing(
            house.engine, subscription, wanted.settings, wanted.rule, house.now, of_right
        )
        settings = subscription.queue.settings
        assert settings.max_delivery_count == 10
        assert (settings.push.authorization, settings.push.granted) == ("Bearer t", True)
        assert settings.push.granted_per_minute == 60

    def test_another_receiver_knows_nothing(self) -> None:
        house = House()
        subscription = self.make(house)
        wanted = read(sink="https://other.example/")
        replace_pushing(
            house.engine, subscription, wanted.settings, wanted.rule, house.now, of_right
        )
        push = subscription.queue.settings.push
        assert (push.authorization, push.granted) == ("", False)

    def test_all_its_rules_give_way_to_the_filters(self) -> None:
        house = House()
        subscription = self.make(
            house, RuleSettings("one", "sql", "a = 1"), RuleSettings("two", "sql", "b = 1")
        )
        wanted = read(types=["a"])
        replace_pushing(
            house.engine, subscription, wanted.settings, wanted.rule, house.now, of_right
        )
        assert list(subscription.rules) == ["$default"]

    def test_rules_that_no_filter_says_are_told_by_name_and_kept(self) -> None:
        house = House()
        topic = house.topic("tickets")
        rule = RuleSettings("one", "sql", "a = 1")
        house.subscription(topic, "erp", rule, push=Push(to=SINK))
        told = write_object(topic, topic.find("erp"), to_owner=True)
        assert told["config"] == {"topic": "tickets", "name": "erp", "rules": ["one"]}
        wanted = read_object(json.dumps(told).encode(), "")
        assert (wanted.rule, wanted.rules) == (None, ("one",))
        subscription = topic.find("erp")
        replace_pushing(
            house.engine, subscription, wanted.settings, wanted.rule, house.now, of_right
        )
        assert list(subscription.rules) == ["one"]

    def test_one_that_is_wrong_changes_nothing(self) -> None:
        house = House()
        subscription = self.make(house)
        before = subscription.queue.settings
        wanted = read(config={"topic": "tickets", "requires_session": True})
        with pytest.raises(InvalidRequest):
            replace_pushing(
                house.engine, subscription, wanted.settings, wanted.rule, house.now, of_right
            )
        assert subscription.queue.settings == before
        with pytest.raises(InvalidRequest, match="no setting 'interval'"):
            settings_from(read(config={"interval": 5}).settings, before)
