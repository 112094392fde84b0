"""`topic`: create, list, show, change, delete topics."""

from typing import Annotated

import typer

from peeklock_client.cli.entity_settings import (
    TOPIC_EXPLAINED,
    Settings,
    Status,
    read_settings,
)
from peeklock_client.cli.session import (
    AsJson,
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

COLUMNS = ("subscriptions", "bytes", "status")


def create(
    topic: TopicName, setting: Settings = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Create a topic. What is sent to it, each of its subscriptions takes by its rules.

    What a setting is, is said below.

    Example:

    \b
      peeklock topic create tickets
      peeklock subscription create tickets erp
      peeklock send tickets '{"ticket": 1}' --subject sold
      peeklock receive tickets/Subscriptions/erp
    """
    settings = read_settings(setting)
    change(
        url,
        lambda client: client.create_topic(topic, **settings),
        lambda client: client.topic(topic).info(),
        f"created {topic}",
        as_json=as_json,
    )


def update(
    topic: TopicName,
    setting: Settings = None,
    status: Status = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Change a topic's settings.

    `peeklock topic create --help` explains them, `peeklock topic show` has what they are now.
    """
    settings = read_settings(setting, status)
    if not settings:
        usage("nothing to change: give --set NAME=VALUE or --status")
    change(
        url,
        lambda client: client.topic(topic).update(**settings),
        lambda client: client.topic(topic).info(),
        f"changed {topic}",
        as_json=as_json,
    )


def list_topics(
    prefix: Annotated[str, typer.Argument(help="Only those that begin with it.")] = "",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List topics: their subscriptions, and how much these hold."""
    found = with_client(url, lambda client: client.topics(prefix))
    tell_all("topic", found, "name", COLUMNS, as_json=as_json)


def show_topic(topic: TopicName, url: Url = None, as_json: AsJson = False) -> None:
    """Show a topic's settings and state."""
    view = with_client(url, lambda client: client.topic(topic).info())
    tell_one(view, as_json=as_json)


def delete(
    topic: TopicName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Delete a topic, its subscriptions, and all that they hold."""
    confirm(f"Delete {topic} and its subscriptions with all their messages?", yes=yes)
    remove(url, lambda client: client.topic(topic).delete(), topic, as_json=as_json)


def register(app: typer.Typer) -> None:
    topic = typer.Typer(no_args_is_help=True, help="Create, list, show, change, delete topics.")
    topic.command(epilog=TOPIC_EXPLAINED)(create)
    topic.command()(update)
    topic.command("list")(list_topics)
    topic.command("show")(show_topic)
    topic.command()(delete)
    app.add_typer(topic, name="topic")
