"""Objects of CloudEvents' Subscriptions API: read, refused by name, and written."""

import json
from typing import Any

import pytest

from peeklock.entities.push import Push
from peeklock.entities.settings import RuleSettings
from peeklock.entities.subscription import Subscription
from peeklock.errors import InvalidFilter, InvalidRequest
from peeklock.frontends.http.subscription_objects import (
    PROTOCOL,
    WantedSubscription,
    read_object,
    write_object,
)
from peeklock.management.event_subscriptions import replace_pushing
from peeklock.management.operations import settings_from
from tests.support.house import House

SINK = "https://erp.example/events"
LEAST: dict[str, Any] = {"protocol": PROTOCOL, "sink": SINK, "config": {"topic": "tickets"}}
FILTERS = [
    {"prefix": {"type": "com.github.issue"}},
    {"any": [{"suffix": {"subject": ".png"}}, {"not": {"exact": {"level": "5"}}}]},
    {"sql": "source LIKE '%cloudevents%'"},
]


def read(**members: object) -> WantedSubscription:
    return read_object(json.dumps(LEAST | members).encode())


def written(wanted: WantedSubscription) -> dict[str, object]:
    """After it was made so."""
    house = House()
    topic = house.topic("tickets")
    house.subscription(topic, "erp")
    subscription: Subscription = topic.find("erp")
    replace_pushing(house.engine, subscription, wanted.settings, wanted.rule, house.now)
    return write_object(topic, subscription)


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
    else:
        assert set(told["sinkcredential"]) == {"credentialtype"}  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"sink": None}, "sink is a string"),
        ({"sink": ""}, "sink is to be there"),
        ({"protocol": "MQTT5"}, "there is 'HTTP' alone"),
        ({"protocol": "http"}, "there is 'HTTP' alone"),
        ({"protocolsettings": {"method": "PUT"}}, "protocolsettings.method cannot be 'PUT'"),
        ({"protocolsettings": {"headers": {"a": "b"}}}, "without headers of your own"),
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
        ({"sinkcredential": {"credentialtype": "ACCESSTOKEN"}}, "no such sinkcredential"),
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
    "body", [b"", b"[]", b"{", b"\xff", b'{"sink": 1, "sink": 2}', b"[" * 100_000]
)
def test_what_is_no_object(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="the body is"):
        read_object(body)


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
        replace_pushing(house.engine, subscription, wanted.settings, wanted.rule, house.now)
        settings = subscription.queue.settings
        assert settings.max_delivery_count == 10
        assert (settings.push.authorization, settings.push.granted) == ("Bearer t", True)
        assert settings.push.granted_per_minute == 60

    def test_another_receiver_knows_nothing(self) -> None:
        house = House()
        subscription = self.make(house)
        wanted = read(sink="https://other.example/")
        replace_pushing(house.engine, subscription, wanted.settings, wanted.rule, house.now)
        push = subscription.queue.settings.push
        assert (push.authorization, push.granted) == ("", False)

    def test_all_its_rules_give_way_to_the_filters(self) -> None:
        house = House()
        subscription = self.make(
            house, RuleSettings("one", "sql", "a = 1"), RuleSettings("two", "sql", "b = 1")
        )
        wanted = read(types=["a"])
        replace_pushing(house.engine, subscription, wanted.settings, wanted.rule, house.now)
        assert list(subscription.rules) == ["$default"]

    def test_rules_that_no_filter_says_are_told_by_name_and_kept(self) -> None:
        house = House()
        topic = house.topic("tickets")
        rule = RuleSettings("one", "sql", "a = 1")
        house.subscription(topic, "erp", rule, push=Push(to=SINK))
        told = write_object(topic, topic.find("erp"))
        assert told["config"] == {"topic": "tickets", "name": "erp", "rules": ["one"]}
        wanted = read_object(json.dumps(told).encode())
        assert (wanted.rule, wanted.rules) == (None, ("one",))
        subscription = topic.find("erp")
        replace_pushing(house.engine, subscription, wanted.settings, wanted.rule, house.now)
        assert list(subscription.rules) == ["one"]

    def test_one_that_is_wrong_changes_nothing(self) -> None:
        house = House()
        subscription = self.make(house)
        before = subscription.queue.settings
        wanted = read(config={"topic": "tickets", "requires_session": True})
        with pytest.raises(InvalidRequest):
            replace_pushing(house.engine, subscription, wanted.settings, wanted.rule, house.now)
        assert subscription.queue.settings == before
        with pytest.raises(InvalidRequest, match="no setting 'interval'"):
            settings_from(read(config={"interval": 5}).settings, before)
