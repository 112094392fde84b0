"""`rule`: what a subscription takes, and what it changes on its copies."""

from typing import Annotated, Any

import typer

from peeklock_client.cli.session import (
    AsJson,
    Cesql,
    Filters,
    SubjectPath,
    SubscriptionName,
    TopicName,
    Url,
    change,
    parse_pairs,
    parse_value,
    remove,
    tell,
    tell_one,
    usage,
    with_client,
)

RuleName = Annotated[str, typer.Argument(metavar="RULE", help="The rule's name.")]
Sql = Annotated[
    str | None,
    typer.Option("--sql", metavar="CONDITION", help="Takes messages for which it is true."),
]
Correlation = Annotated[
    list[str] | None,
    typer.Option(
        "--correlation",
        metavar="NAME=VALUE",
        help="Takes messages that have this; may be given more than once, then all must hold.",
    ),
]
Nothing = Annotated[bool, typer.Option("--nothing", help="Takes no message.")]
Action = Annotated[
    str | None,
    typer.Option("--action", metavar="STATEMENTS", help="Changes the copy: SET and REMOVE."),
]

Parameter = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        metavar="NAME=VALUE",
        help="The value of an @NAME in --sql; may be given more than once.",
    ),
]
ActionParameter = Annotated[
    list[str] | None,
    typer.Option(
        "--action-parameter",
        metavar="NAME=VALUE",
        help="The value of an @NAME in --action; may be given more than once.",
    ),
]


def create(
    topic: TopicName,
    subscription: SubscriptionName,
    rule: RuleName,
    sql: Sql = None,
    cesql: Cesql = None,
    filters: Filters = None,
    path: SubjectPath = None,
    correlation: Correlation = None,
    nothing: Nothing = False,
    action: Action = None,
    parameter: Parameter = None,
    action_parameter: ActionParameter = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Add a rule to a subscription.

    A subscription takes what any of its rules takes. Without a condition or --nothing a rule
    takes everything. A subscription that was made without a filter takes everything by its
    rule $Default: delete that one.

    A name stands for an application property, sys.NAME for the message's own: sys.Label (the
    subject), sys.MessageId, sys.CorrelationId, sys.To, sys.ReplyTo, sys.SessionId,
    sys.ContentType. In --correlation, numbers, true and false are what they look like.

    What a script puts into a condition or an action is safest as a value of its own: --sql
    names it with an @, --parameter gives it. There, too, numbers are what they look like.

    Rules without an action make one copy together, each with an action one of its own, which
    says by the property RuleName where it is from.

    Examples:

    \b
      peeklock rule create tickets erp paid --sql "paid = TRUE AND amount > 100"
      peeklock rule create tickets erp big --sql "amount > 1000" --action "SET urgent = TRUE"
      peeklock rule create tickets erp fire --cesql "type = 'fire' AND INT(level) > 2"
      peeklock rule create building alarms fire --filters '[{"suffix": {"type": ".fire"}}]'
      peeklock rule create building floor2 all --path 'north/2/#'
      peeklock rule create tickets erp north --sql "site = @site" --parameter "site=$SITE"
      peeklock rule create tickets gate sold --correlation sys.Label=sold
      peeklock rule delete tickets erp '$Default'
    """
    given = read_rule(
        {"sql": sql, "cesql": cesql, "filters": filters, "path": path},
        correlation,
        nothing,
        action,
        parameter,
        action_parameter,
    )
    change(
        url,
        lambda client: client.subscription(topic, subscription).add_rule(rule, **given),
        lambda client: client.subscription(topic, subscription).rule(rule),
        f"created {rule}",
        as_json=as_json,
    )


def update(
    topic: TopicName,
    subscription: SubscriptionName,
    rule: RuleName,
    sql: Sql = None,
    cesql: Cesql = None,
    filters: Filters = None,
    path: SubjectPath = None,
    correlation: Correlation = None,
    nothing: Nothing = False,
    action: Action = None,
    parameter: Parameter = None,
    action_parameter: ActionParameter = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Give a rule another filter and action.

    As a whole: what is not said is no more; see `peeklock rule create --help`.
    """
    given = read_rule(
        {"sql": sql, "cesql": cesql, "filters": filters, "path": path},
        correlation,
        nothing,
        action,
        parameter,
        action_parameter,
    )
    change(
        url,
        lambda client: client.subscription(topic, subscription).update_rule(rule, **given),
        lambda client: client.subscription(topic, subscription).rule(rule),
        f"changed {rule}",
        as_json=as_json,
    )


def list_rules(
    topic: TopicName, subscription: SubscriptionName, url: Url = None, as_json: AsJson = False
) -> None:
    """List a subscription's rules: name, kind, filter, action."""
    found = with_client(url, lambda client: client.subscription(topic, subscription).rules())
    for rule in found:
        cells = (rule["name"], rule["kind"], filter_text(rule), rule["action"])
        tell("\t".join(map(str, cells)), rule, as_json=as_json)


def show_rule(
    topic: TopicName,
    subscription: SubscriptionName,
    rule: RuleName,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show one rule."""
    view = with_client(url, lambda client: client.subscription(topic, subscription).rule(rule))
    tell_one(view, as_json=as_json)


def delete(
    topic: TopicName,
    subscription: SubscriptionName,
    rule: RuleName,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Delete a rule; messages that it took stay.

    A subscription without rules takes nothing.
    """
    remove(
        url,
        lambda client: client.subscription(topic, subscription).remove_rule(rule),
        rule,
        as_json=as_json,
    )


def read_rule(
    conditions: dict[str, str | None],
    correlation: list[str] | None,
    nothing: bool,
    action: str | None,
    parameter: list[str] | None,
    action_parameter: list[str] | None,
) -> dict[str, Any]:
    given = read_filter(conditions, correlation, parameter)
    if nothing:
        if given:
            usage("--nothing goes with no condition")
        given = {"kind": "false"}
    if action is not None:
        given["action"] = action
    if action_parameter:
        if action is None:
            usage("--action-parameter is the value of an @name in --action: give that, too")
        given["action_parameters"] = values_of(action_parameter, "--action-parameter")
    return given


def read_filter(
    conditions: dict[str, str | None],
    correlation: list[str] | None,
    parameter: list[str] | None,
) -> dict[str, Any]:
    """A filter as the client takes it; empty for one that takes everything."""
    said = {name: text for name, text in conditions.items() if text is not None}
    if len(said) + bool(correlation) > 1:
        options = ", ".join(f"--{name}" for name in conditions)
        usage(f"{options} and --correlation are a rule each: create them one by one")
    if parameter and "sql" not in said:
        usage("--parameter is the value of an @name in --sql: give that, too")
    if parameter:
        return {**said, "parameters": values_of(parameter, "--parameter")}
    if said:
        return dict(said)
    if not correlation:
        return {}
    pairs = parse_pairs(correlation, "--correlation")
    return {
        "correlation": {
            name: value if name.lower().startswith("sys.") else parse_value(value)
            for name, value in pairs.items()
        }
    }


def values_of(pairs: list[str], what: str) -> dict[str, object]:
    return {name: parse_value(value) for name, value in parse_pairs(pairs, what).items()}


def filter_text(rule: dict[str, Any]) -> str:
    """A rule's filter in one line."""
    if rule["properties"]:
        return " ".join(f"{name}={value}" for name, value in rule["properties"].items())
    return str(rule["expression"])


def register(app: typer.Typer) -> None:
    rule = typer.Typer(
        no_args_is_help=True, help="What a subscription takes: create, list, delete rules."
    )
    rule.command()(create)
    rule.command()(update)
    rule.command("list")(list_rules)
    rule.command("show")(show_rule)
    rule.command()(delete)
    app.add_typer(rule, name="rule")
