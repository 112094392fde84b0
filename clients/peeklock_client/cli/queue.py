"""`queue`: create, list, show, change, delete, pause and resume queues."""

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
from peeklock_client.cli.session import (
    AsJson,
    QueueName,
    Url,
    change,
    confirm,
    remove,
    tell,
    tell_all,
    tell_one,
    usage,
    with_client,
)
from peeklock_client.client import Client

COLUMNS = ("active", "locked", "scheduled", "deferred", "dead_letters", "receivers")


def create(
    queue: QueueName,
    setting: Settings = None,
    push: PushTo = None,
    push_authorization: PushAuthorization = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Create a queue, with its dead-letter queue.

    What a setting is, is said below.

    Examples:

    \b
      peeklock queue create orders
      peeklock queue create orders --set lock_duration_ms=30s --set max_delivery_count=5
      peeklock queue create orders --set retry_first_ms=1s --set retry_jitter=0.5
      peeklock queue create orders --set forward_dead_letters_to=failures
      peeklock queue create orders --push https://erp.example/orders
    """
    settings = read_settings(setting, None, push, push_authorization)
    change(
        url,
        lambda client: client.create_queue(queue, **settings),
        lambda client: client.queue(queue).info(),
        f"created {queue}",
        as_json=as_json,
    )


def update(
    queue: QueueName,
    setting: Settings = None,
    status: Status = None,
    push: PushTo = None,
    push_authorization: PushAuthorization = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Change a queue's settings.

    `peeklock queue create --help` explains them, `peeklock queue show` has what they are now.
    A status takes effect at once, also on those who are connected.

    Examples:

    \b
      peeklock queue update orders --set max_delivery_count=3
      peeklock queue update orders --status send-disabled
    """
    settings = read_settings(setting, status, push, push_authorization)
    if not settings:
        usage("nothing to change: give --set NAME=VALUE, --status or --push")
    change(
        url,
        lambda client: client.queue(queue).update(**settings),
        lambda client: client.queue(queue).info(),
        f"changed {queue}",
        as_json=as_json,
    )


def list_queues(
    prefix: Annotated[str, typer.Argument(help="Only those that begin with it.")] = "",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List queues with how many messages they have, by state.

    Dead letters are in queues of their own and counted beside. With --json each queue has its
    settings, too, and why receivers wait.

    Examples:

    \b
      peeklock queue list
      peeklock queue list shop/ --json
    """
    found = with_client(url, lambda client: client.queues(prefix))
    tell_all("queue", found, "name", COLUMNS, as_json=as_json)


def show_queue(queue: QueueName, url: Url = None, as_json: AsJson = False) -> None:
    """Show a queue's settings and state.

    `peeklock queue create --help` says what the settings are. Instants are milliseconds since
    1970, UTC.

    Examples:

    \b
      peeklock queue show orders
      peeklock queue show 'orders/$DeadLetterQueue' --json
    """
    view = with_client(url, lambda client: client.queue(queue).info())
    tell_one(view, as_json=as_json)


def delete(
    queue: QueueName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Delete a queue with all its messages.

    Its dead letters and what workers hold go with it; senders and receivers are detached.

    Example:

    \b
      peeklock queue delete orders --yes
    """
    confirm(f"Delete {queue} with all its messages?", yes=yes)
    remove(url, lambda client: client.queue(queue).delete(), queue, as_json=as_json)


def pause(queue: QueueName, url: Url = None, as_json: AsJson = False) -> None:
    """Hand out nothing more; messages still come in.

    What workers hold they may settle. It lasts until `peeklock queue resume`, also over a
    restart of the broker.

    Example:

    \b
      peeklock queue pause orders
    """
    change(
        url,
        lambda client: client.queue(queue).pause(),
        lambda client: client.queue(queue).info(),
        f"paused {queue}",
        as_json=as_json,
    )


def resume(queue: QueueName, url: Url = None, as_json: AsJson = False) -> None:
    """Hand out again.

    What `peeklock queue pause` has held back comes oldest first, as always.

    Example:

    \b
      peeklock queue resume orders
    """
    change(
        url,
        lambda client: client.queue(queue).resume(),
        lambda client: client.queue(queue).info(),
        f"resumed {queue}",
        as_json=as_json,
    )


def purge(
    queue: QueueName,
    state: Annotated[str, typer.Option(help="active, scheduled, deferred or all.")] = "all",
    where: Annotated[
        str, typer.Option(help="Only what this filter takes, in the SQL of rules.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Remove a queue's messages; those that a worker holds stay.

    They are gone for good: to look at them first, `peeklock peek`.

    Examples:

    \b
      peeklock purge orders --state scheduled
      peeklock purge 'orders/$DeadLetterQueue' --yes
      peeklock purge orders --where "customer = 17 AND sys.Label LIKE 'test%'"
    """
    which = "messages" if state == "all" else f"{state} messages"
    those = f" where {where}" if where else ""
    confirm(f"Remove all {which} of {queue}{those}?", yes=yes)

    async def run(client: Client) -> int:
        return await client.queue(queue).purge(state=state, where=where)

    removed = with_client(url, run)
    tell(f"{removed} removed", {"removed": removed}, as_json=as_json)


def undefer(
    queue: QueueName,
    numbers: Annotated[
        list[int] | None, typer.Argument(help="Sequence numbers; without any, all of them.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Hand out deferred messages again.

    For those whose number is lost: they would lie there for ever. Each comes in its old place.

    Examples:

    \b
      peeklock peek orders | grep deferred
      peeklock queue undefer orders 17 18
    """
    returned = with_client(url, lambda client: client.queue(queue).undefer(numbers or ()))
    tell(f"{returned} returned", {"returned": returned}, as_json=as_json)


def register(app: typer.Typer) -> None:
    queue = typer.Typer(
        no_args_is_help=True,
        help="Create, list, show, change, delete, pause, resume queues.",
    )
    queue.command(epilog=QUEUE_EXPLAINED)(create)
    queue.command()(update)
    queue.command("list")(list_queues)
    queue.command("show")(show_queue)
    queue.command()(delete)
    queue.command()(pause)
    queue.command()(resume)
    queue.command()(purge)
    queue.command()(undefer)
    app.add_typer(queue, name="queue")
