"""`subscription`: create, list, show, change, delete subscriptions of a topic."""

from typing import Annotated

import typer

from peeklock_client.cli.entity_settings import (
    QUEUE_EXPLAINED,
    PushAuthorization,
    PushTo,
    Settings,
    Status,
    read_settings,
)
from peeklock_client.cli.queue import COLUMNS
from peeklock_client.cli.rule import Correlation, Parameter, Sql, read_filter
from peeklock_client.cli.session import (
    AsJson,
    Cesql,
    Filters,
    SubjectPath,
    SubscriptionName,
    TopicName,
    Url,
    change,
    confirm,
    remove,
    tell_all,
    tell_one,
    usage,
    with_client,
)


def create(
    topic: TopicName,
    subscription: SubscriptionName,
    sql: Sql = None,
    cesql: Cesql = None,
    filters: Filters = None,
    path: SubjectPath = None,
    correlation: Correlation = None,
    parameter: Parameter = None,
    setting: Settings = None,
    push: PushTo = None,
    push_authorization: PushAuthorization = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Create a subscription, with its dead-letter queue.

    It takes everything, or what a condition says: its first rule, by the name $Default. More
    rules: peeklock rule create. Settings are those of a queue, and
    dead_letter_on_filter_error.

    Examples:

    \b
      peeklock subscription create tickets erp --set max_delivery_count=5
      peeklock subscription create tickets alarms --sql "level >= 3 AND site = 'north'"
      peeklock subscription create tickets gate --correlation sys.Label=sold
      peeklock subscription create tickets erp --push https://erp.example/events
    """
    settings = read_settings(setting, None, push, push_authorization)
    conditions = {"sql": sql, "cesql": cesql, "filters": filters, "path": path}
    first = read_filter(conditions, correlation, parameter)
    rules = [{"name": "$Default", **first}] if first else None
    change(
        url,
        lambda client: client.topic(topic).subscribe(subscription, rules=rules, **settings),
        lambda client: client.subscription(topic, subscription).info(),
        f"created {topic}/Subscriptions/{subscription}",
        as_json=as_json,
    )


def update(
    topic: TopicName,
    subscription: SubscriptionName,
    setting: Settings = None,
    status: Status = None,
    push: PushTo = None,
    push_authorization: PushAuthorization = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Change a subscription's settings.

    `peeklock queue create --help` explains them, `peeklock subscription show` has what they
    are now.
    """
    settings = read_settings(setting, status, push, push_authorization)
    if not settings:
        usage("nothing to change: give --set NAME=VALUE, --status or --push")
    change(
        url,
        lambda client: client.subscription(topic, subscription).update(**settings),
        lambda client: client.subscription(topic, subscription).info(),
        f"changed {topic}/Subscriptions/{subscription}",
        as_json=as_json,
    )


def list_subscriptions(topic: TopicName, url: Url = None, as_json: AsJson = False) -> None:
    """List a topic's subscriptions and their messages, by state."""
    found = with_client(url, lambda client: client.topic(topic).subscriptions())
    tell_all("subscription", found, "subscription", COLUMNS, as_json=as_json)


def show_subscription(
    topic: TopicName, subscription: SubscriptionName, url: Url = None, as_json: AsJson = False
) -> None:
    """Show a subscription's settings and state."""
    view = with_client(url, lambda client: client.subscription(topic, subscription).info())
    tell_one(view, as_json=as_json)


def delete(
    topic: TopicName,
    subscription: SubscriptionName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Delete a subscription with all that it holds."""
    confirm(f"Delete {subscription} of {topic} with all its messages?", yes=yes)
    remove(
        url,
        lambda client: client.subscription(topic, subscription).delete(),
        f"{topic}/Subscriptions/{subscription}",
        as_json=as_json,
    )


def register(app: typer.Typer) -> None:
    subscription = typer.Typer(
        no_args_is_help=True, help="Create, list, show, change, delete subscriptions."
    )
    subscription.command(epilog=QUEUE_EXPLAINED)(create)
    subscription.command()(update)
    subscription.command("list")(list_subscriptions)
    subscription.command("show")(show_subscription)
    subscription.command()(delete)
    app.add_typer(subscription, name="subscription")
