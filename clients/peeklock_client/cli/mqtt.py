"""`mqtt`: whose sessions there are, who shares a filter; and ending a session."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from peeklock_client.cli.session import (
    AsJson,
    Url,
    confirm,
    tell,
    tell_all,
    tell_one,
    with_client,
)

ClientId = Annotated[str, typer.Argument(metavar="CLIENT", help="The client identifier.")]
Prefix = Annotated[
    str, typer.Option("--prefix", metavar="TEXT", help="Only those that begin so.")
]
SESSION_COLUMNS = (
    *("connected", "since", "expires", "subscriptions", "stored", "in_flight", "dropped"),
)
GROUP_COLUMNS = ("sessions", "connected", "stored", "in_flight", "dropped")
TIMES = {"since": "since", "expires_at": "expires"}


def sessions(prefix: Prefix = "", url: Url = None, as_json: AsJson = False) -> None:
    """List MQTT sessions, with what waits for them.

    They are those whose clients are here, and those that are kept. `since` is when the client
    came or went, `expires` when it will be forgotten if it does not come back. Times are UTC;
    with --json, milliseconds since 1970.

    Examples:

    \b
      peeklock mqtt sessions --prefix gateway-
      peeklock mqtt sessions --json | jq 'select(.stored > 1000) | .client_id'
    """
    found = with_client(url, lambda client: client.mqtt_sessions(prefix))
    shown = found if as_json else [readable(one) for one in found]
    tell_all("client", shown, "client_id", SESSION_COLUMNS, as_json=as_json)


def show_session(client_id: ClientId, url: Url = None, as_json: AsJson = False) -> None:
    """Show one session with its topic filters.

    Each filter has its QoS.

    Example:

    \b
      peeklock mqtt show gateway-1
    """
    view = with_client(url, lambda client: client.mqtt_session(client_id))
    tell_one(view if as_json else readable(view), as_json=as_json)


def end(
    client_id: ClientId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """End a session with all that waits for it.

    Its client is disconnected; it may come back, to a new session. If it has a will, that is
    published.

    Example:

    \b
      peeklock mqtt end gateway-1 --yes
    """
    confirm(f"End the session of {client_id} with all that waits for it?", yes=yes)
    with_client(url, lambda client: client.end_mqtt_session(client_id))
    tell(f"ended the session of {client_id}", {"ended": client_id}, as_json=as_json)


def groups(prefix: Prefix = "", url: Url = None, as_json: AsJson = False) -> None:
    """List groups of sessions that share a filter.

    Each is named by what its members subscribe to, `$share/NAME/FILTER`.

    Example:

    \b
      peeklock mqtt groups --prefix '$share/workers/'
    """
    found = with_client(url, lambda client: client.mqtt_groups(prefix))
    tell_all("group", found, "group", GROUP_COLUMNS, as_json=as_json)


def readable(view: dict[str, object]) -> dict[str, Any]:
    """With times that people can read."""
    return {TIMES.get(name, name): shown(name, value) for name, value in view.items()}


def shown(name: str, value: object) -> object:
    if name not in (*TIMES, "oldest_enqueued_at") or not isinstance(value, int):
        return value
    return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}" if value else "-"


def register(app: typer.Typer) -> None:
    mqtt = typer.Typer(
        no_args_is_help=True, help="List, show, end MQTT sessions; list groups that share."
    )
    mqtt.command()(sessions)
    mqtt.command("show")(show_session)
    mqtt.command()(end)
    mqtt.command()(groups)
    app.add_typer(mqtt, name="mqtt")
