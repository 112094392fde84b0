"""`derive`: which jobs a topic's signals make."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from peeklock_client.cli.entity_settings import parse_setting
from peeklock_client.cli.session import (
    AsJson,
    TopicName,
    Url,
    change,
    parse_pairs,
    remove,
    tell_all,
    tell_one,
    usage,
    with_client,
)

COLUMNS: Final = ("kind", "to")
DerivationName = Annotated[
    str, typer.Argument(metavar="DERIVATION", help="The derivation's name.")
]
To = Annotated[str, typer.Option("--to", metavar="QUEUE", help="Gets the jobs; it is there.")]
Kind = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="When: each, debounce, coalesce, absence, threshold; see above.",
    ),
]
Period = Annotated[
    str | None,
    typer.Option("--period", metavar="DURATION", help="What the kind waits for: 500ms, 10min."),
]
Value = Annotated[
    str | None,
    typer.Option("--value", metavar="TEMPLATE", help="A number, as ${data.temperature}."),
]
Aggregated = Annotated[
    str | None,
    typer.Option(
        "--aggregate",
        metavar="NAME",
        help="Of values: last (if not said), avg, min, max, count.",
    ),
]
Over = Annotated[
    str | None,
    typer.Option("--over", metavar="DURATION", help="Of values that are younger: 10min."),
]
OverCount = Annotated[
    int | None, typer.Option("--over-count", metavar="N", help="Of the last N values.")
]
LatestPer = Annotated[
    str | None,
    typer.Option(
        "--latest-per", metavar="TEMPLATE", help="Of the last value of each, as ${path.room}."
    ),
]
Above = Annotated[
    float | None, typer.Option("--above", metavar="N", help="A job when it is more.")
]
Below = Annotated[
    float | None, typer.Option("--below", metavar="N", help="A job when it is less.")
]
Hysteresis = Annotated[
    float | None,
    typer.Option("--hysteresis", metavar="N", help="Back by so much before another job."),
]
Path = Annotated[
    str | None,
    typer.Option(
        "--path",
        metavar="PATTERN",
        help="Of the signal's subject: + any level, {NAME} one with a name, # the rest.",
    ),
]
Sql = Annotated[
    str | None,
    typer.Option("--sql", metavar="CONDITION", help="Means signals for which it is true."),
]
Cesql = Annotated[
    str | None, typer.Option("--cesql", metavar="CONDITION", help="The same, in CESQL.")
]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="TEMPLATE", help="What belongs together, as ${path.floor}."),
]
Subject = Annotated[
    str | None,
    typer.Option("--subject", metavar="TEMPLATE", help="The job's; without, the signal's."),
]
Session = Annotated[
    str | None,
    typer.Option("--session", metavar="TEMPLATE", help="The job's message session."),
]
Body = Annotated[
    str | None,
    typer.Option("--body", metavar="JSON", help="The job's, with placeholders in its strings."),
]
Properties = Annotated[
    list[str] | None,
    typer.Option(
        "--property",
        metavar="NAME=TEMPLATE",
        help="An application property of the job; may be given more than once.",
    ),
]
Unset = Annotated[
    list[str] | None,
    typer.Option(
        "--unset",
        metavar="OPTION",
        help="As if this one had not been given; may be given more than once.",
    ),
]
IgnoreErrors = Annotated[
    bool,
    typer.Option(
        "--ignore-errors", help="Signals that it can make nothing of are no dead letters."
    ),
]


def add(
    topic: TopicName,
    derivation: DerivationName,
    to: To,
    kind: Kind = None,
    period: Period = None,
    value: Value = None,
    aggregate: Aggregated = None,
    over: Over = None,
    over_count: OverCount = None,
    latest_per: LatestPer = None,
    above: Above = None,
    below: Below = None,
    hysteresis: Hysteresis = None,
    path: Path = None,
    sql: Sql = None,
    cesql: Cesql = None,
    key: Key = None,
    subject: Subject = None,
    session: Session = None,
    body: Body = None,
    properties: Properties = None,
    ignore_errors: IgnoreErrors = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Let a topic's signals make jobs in a queue.

    A signal is a message that is sent to the topic. It is meant when its subject has the path
    and the condition is true; both may be left out. In --sql a name stands for an application
    property, [data.NAME] for a field of the signal's JSON data, [path.NAME] for a level of its
    path, sys.Label for its subject.

    A template is a text with placeholders: ${event.subject} (or another attribute),
    ${path.NAME}, ${data.NAME} (${data.list.0.NAME}, or ${data} for all of it),
    ${property.NAME}; in what the job says also ${key}, ${count} (of signals), ${value} and
    ${side} (of a threshold), ${first_at}, ${last_at}, ${topic} and ${derivation}. A string of
    the body that is one placeholder becomes the value itself. $$ is one dollar sign.

    Without a --kind each signal makes a job. The other kinds are for each key by itself:

    \b
      debounce   the last signal makes a job when no other has come for the period
      coalesce   those of a period make one together; it begins with the first
      absence    one is made when none has come for the period
      threshold  one is made when a figure of their --value goes --above or --below,
                 and no other before it is back; it is their last value, or an
                 --aggregate --over a time, --over-count or --latest-per

    The job is in the queue when the signal is accepted, with the signal's source and id in the
    properties cause_source and cause_id. A signal that is sent again within ten minutes makes
    no second job. See docs/howto/derived-jobs.md.

    Examples:

    \b
      peeklock queue create evacuations
      peeklock topic create site
      peeklock derive add site fire --to evacuations --sql "[data.alert] = TRUE" \\
          --path "building/{building}/floor/{floor}/#" --key '${path.building}' \\
          --body '{"building": "${path.building}", "degrees": "${data.temperature}"}'
      peeklock send site '{"alert": true, "temperature": 81}' \\
          --subject building/41/floor/3/room/4/sensors/fire
      peeklock receive evacuations
      peeklock derive add site lost --to repairs --kind absence --period 10min \\
          --key '${event.source}'
      peeklock derive add site climate --to hvac --kind threshold --value '${data.t}' \\
          --path "building/+/floor/{floor}/room/{room}/#" --key '${path.floor}' \\
          --aggregate avg --latest-per '${path.room}' --above 22 --below 18 --hysteresis 0.5
    """
    settings = read_options(
        {
            "kind": kind,
            "period": period,
            "value": value,
            "aggregate": aggregate,
            "over": over,
            "over-count": over_count,
            "latest-per": latest_per,
            "above": above,
            "below": below,
            "hysteresis": hysteresis,
            "path": path,
            "sql": sql,
            "cesql": cesql,
            "key": key,
            "subject": subject,
            "session": session,
            "body": body,
            "property": properties,
            "ignore-errors": ignore_errors or None,
        }
    )
    change(
        url,
        lambda client: client.topic(topic).derive(derivation, to=to, **settings),
        lambda client: client.topic(topic).derivation(derivation),
        f"added {derivation}",
        as_json=as_json,
    )


def update(
    topic: TopicName,
    derivation: DerivationName,
    to: Annotated[
        str | None, typer.Option("--to", metavar="QUEUE", help="Gets the jobs from now on.")
    ] = None,
    kind: Kind = None,
    period: Period = None,
    value: Value = None,
    aggregate: Aggregated = None,
    over: Over = None,
    over_count: OverCount = None,
    latest_per: LatestPer = None,
    above: Above = None,
    below: Below = None,
    hysteresis: Hysteresis = None,
    path: Path = None,
    sql: Sql = None,
    cesql: Cesql = None,
    key: Key = None,
    subject: Subject = None,
    session: Session = None,
    body: Body = None,
    properties: Properties = None,
    ignore_errors: IgnoreErrors = False,
    unset: Unset = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Change a derivation, for signals from now on.

    What is not said stays, and so does all that it remembers: values of a threshold, signals
    that wait to make a job, keys that are waited for. While there is any of that, these cannot
    change, for it would mean something else: --kind, --key, --value, --latest-per. Options are
    explained by `peeklock derive add --help`.

    Examples:

    \b
      peeklock derive update site climate --above 23 --hysteresis 1
      peeklock derive update site lost --period 15min
      peeklock derive update site climate --unset below
    """
    settings = read_options(
        {
            "to": to,
            "kind": kind,
            "period": period,
            "value": value,
            "aggregate": aggregate,
            "over": over,
            "over-count": over_count,
            "latest-per": latest_per,
            "above": above,
            "below": below,
            "hysteresis": hysteresis,
            "path": path,
            "sql": sql,
            "cesql": cesql,
            "key": key,
            "subject": subject,
            "session": session,
            "body": body,
            "property": properties,
            "ignore-errors": ignore_errors or None,
        },
        unset or [],
    )
    if not settings:
        usage("nothing to change: give an option, or --unset one")
    change(
        url,
        lambda client: client.topic(topic).update_derivation(derivation, **settings),
        lambda client: client.topic(topic).derivation(derivation),
        f"changed {derivation}",
        as_json=as_json,
    )


# Settings whose names are not those of their options.
SETTINGS: Final = {
    "period": "period_ms",
    "over": "over_ms",
    "property": "properties",
    "ignore-errors": "dead_letter_on_error",
}
DURATIONS: Final = ("period", "over")


def read_options(given: dict[str, Any], unset: Sequence[str] = ()) -> dict[str, Any]:
    """Settings as the client takes them; None for what is `unset`.

    Raises `typer.Exit` for wrong usage.
    """
    said = {option: value for option, value in given.items() if value is not None}
    if "sql" in said and "cesql" in said:
        usage("--sql and --cesql are two derivations: add both")
    for option in unset:
        if option not in given or option == "to":
            known = ", ".join(name for name in given if name != "to")
            usage(f"--unset {option!r}: there are {known}")
        if option in said:
            usage(f"--unset {option} and --{option} say two things")
    found: dict[str, Any] = {SETTINGS.get(one, one.replace("-", "_")): None for one in unset}
    for option, value in said.items():
        name = SETTINGS.get(option, option.replace("-", "_"))
        if option in DURATIONS:
            found[name] = parse_setting(name, value)
        elif option == "property":
            found[name] = parse_pairs(value, "--property")
        else:
            found[name] = value if option != "ignore-errors" else False
    return found


def list_derivations(topic: TopicName, url: Url = None, as_json: AsJson = False) -> None:
    """List a topic's derivations: name, kind, queue of jobs."""
    found = with_client(url, lambda client: client.topic(topic).derivations())
    tell_all("derivation", found, "name", COLUMNS, as_json=as_json)


def show_derivation(
    topic: TopicName, derivation: DerivationName, url: Url = None, as_json: AsJson = False
) -> None:
    """Show one derivation."""
    view = with_client(url, lambda client: client.topic(topic).derivation(derivation))
    if not as_json:
        view["properties"] = json.dumps(view["properties"])
    tell_one(view, as_json=as_json)


def delete(
    topic: TopicName, derivation: DerivationName, url: Url = None, as_json: AsJson = False
) -> None:
    """Delete a derivation. Jobs that it has made stay."""
    remove(
        url,
        lambda client: client.topic(topic).remove_derivation(derivation),
        derivation,
        as_json=as_json,
    )


def register(app: typer.Typer) -> None:
    derive = typer.Typer(
        no_args_is_help=True,
        help="Jobs that a topic's signals make: add, change, delete.",
    )
    derive.command()(add)
    derive.command()(update)
    derive.command("list")(list_derivations)
    derive.command("show")(show_derivation)
    derive.command()(delete)
    app.add_typer(derive, name="derive")
