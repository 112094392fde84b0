"""Writes settings.md, entities.md, limits.md, commands.md and monitoring.md from the code, and
service-bus.md from the tests; `make docs` runs it.

Also what `peeklock queue create --help` says of the settings: the command line may not look into
the broker, so it is told here.

tests/test_docs.py fails when they are not current.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.reference.markdown import MADE, table
from docs.reference.monitoring import monitoring_page
from docs.reference.service_bus import service_bus_page
from peeklock import limits
from peeklock.entities import push as push_settings
from peeklock.entities import settings as entity_settings
from peeklock.entities.derivation_settings import DerivationSettings
from peeklock.entities.push import Push
from peeklock.entities.settings import FIXED, QueueSettings, RetryPolicy, TopicSettings
from peeklock.entities.threshold import Threshold
from peeklock.limits import DURATION_MAX
from peeklock.server.config import ENV_PREFIX, Config
from peeklock_client.cli.main import build

SOURCES = Path(__file__).parents[2] / "broker"

HERE = Path(__file__).parent
HELP_TABLE = "../../clients/peeklock_client/cli/entity_settings_table.py"
ENDLESS = 1 << 62
NO_SETTING = (
    *("toml_file", "temporary", "service_bus"),
    *("push_granted", "push_granted_per_minute"),
)
# Units from the largest on, by what a setting's name ends with.
UNITS = {
    "_ms": (("days", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)),
    "_bytes": (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("bytes", 1)),
}
# What is allowed for texts.
WORDS = {
    "forward_to": "a queue or topic that is there; no loops",
    "forward_dead_letters_to": "a queue or topic that is there; no loops",
    "push_to": "an https:// URL; http:// within push.networks",
    "push_authorization": "the value of a header",
    "push_headers": f"up to {limits.PUSH_HEADERS_MAX} names and texts",
    "period_ms": f"{limits.DERIVATION_PERIOD_MIN} ms to 366 days, for those that wait",
    "over_count": f"up to {limits.DERIVATION_SAMPLES_MAX}",
    "user_metadata": f"up to {limits.USER_METADATA_CHARACTERS_MAX} characters",
}


def main() -> None:
    for name, text in pages().items():
        (HERE / name).write_text(text)


def pages() -> dict[str, str]:
    """Each generated page by its file's name."""
    return {
        "settings.md": settings_page(),
        "entities.md": entities_page(),
        "limits.md": limits_page(),
        "commands.md": commands_page(),
        "monitoring.md": monitoring_page(),
        "service-bus.md": service_bus_page(),
        HELP_TABLE: help_table(),
    }


# ---- the broker's settings


def settings_page() -> str:
    intro = f"""# Settings of the broker

{MADE}
Each can be given in the TOML file (`peeklock serve --config FILE`, or `PEEKLOCK_CONFIG`), as a variable
of the environment, and those that have an option on the command line. The command line wins, then
the environment, then the file. In the environment lists and tables are JSON, and a table's single
settings have two underscores: `PEEKLOCK_JOURNAL__SEGMENT_BYTES`. A setting that does not exist is
refused in the file, and logged when it is a variable.

"""
    options = {
        option.removeprefix("--").replace("-", "_"): option
        for parameter in command_of("serve").params
        for option in parameter.opts
    }
    rows = []
    sections = []
    for name, field in Config.model_fields.items():
        model = model_of(field)
        if model is not None:
            sections.append((name, model, get_origin(field.annotation) is list))
        elif name not in NO_SETTING:
            option = f"`{options[name]}`" if name in options else ""
            about = field.description or ""
            rows.append((code(name), option, code(default_of(field)), about))
    text = intro + table(("name", "option", "default", "is"), rows)
    text += "\nAs variables they are `PEEKLOCK_` and the name in capitals: "
    text += f"`{ENV_PREFIX}DATA_DIR`.\n"
    for name, model, is_list in sections:
        text += "\n" + section(name, model, is_list=is_list)
    return text


def section(name: str, model: type[BaseModel], *, is_list: bool) -> str:
    """One table of the TOML file."""
    mark = f"[[{name}]]" if is_list else f"[{name}]"
    text = f"## `{mark}`\n\n{inspect.getdoc(model)}\n\n"
    rows = [
        (code(key), code(default_of(field)), field.description or "")
        for key, field in model.model_fields.items()
        if model_of(field) is None
    ]
    text += table(("name", "default", "is"), rows)
    for key, field in model.model_fields.items():
        below = model_of(field)
        if below is not None:
            text += "\n" + section(f"{name}.{key}", below, is_list=True)
    return text


def model_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model that a setting is, or is a list of, or may be."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "(has to be given)"
    allowed = field.annotation
    shown = plain(field.default)
    if get_origin(allowed) is Literal:
        others = ", ".join(one for one in get_args(allowed) if one != field.default)
        return f"{shown}; or {others}"
    return shown


def plain(value: object, name: str = "") -> str:
    """As TOML would have it, with sizes and durations in words."""
    if name.endswith("_ms") and isinstance(value, int) and value >= 1000:
        return f"{value} ({in_words(value, name)})"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    if isinstance(value, int) and value >= 1 << 20 and value % (1 << 20) == 0:
        return f"{value} ({in_words(value, '_bytes')})"
    return "" if value is None else str(value)


def code(text: str) -> str:
    return f"`{text}`" if text and not text.startswith("(") else text


# ---- what a queue or topic can be told


@dataclass(frozen=True)
class Choice:
    """One setting of an entity."""

    name: str
    default: object
    about: str
    allowed: str


def entities_page() -> str:
    fixed = " and ".join(f"`{name}`" for name in FIXED)
    return f"""# Settings of queues, subscriptions and topics

{MADE}
Given at creation (`peeklock queue create NAME --set name=value`, `create_queue(name, …)` in Python, or in
the broker's TOML file) and changed later (`peeklock queue update`), but for {fixed},
which are for ever; `duplicate_window_ms` may become longer or shorter, but not begin or end. Names in
`_ms` are milliseconds, in `_bytes` bytes; the command line takes `30s`, `10min`, `7d`, `16MiB` and the
like, too. A value out of its range is refused, and the range named. The TOML file's queues and topics
are made when they are not there; what is there keeps its settings. How they work together:
[Choose what becomes of a message](../howto/entity-settings.md).

## Queues and subscriptions

{choices_table(QueueSettings)}
## Topics

{choices_table(TopicSettings)}
## Derivations

Given when a derivation is made (`peeklock derive add TOPIC NAME`, `topic.derive(name, …)`, or
`[[topics.derivations]]` in the TOML file), and not changed later. What they are for:
[Derived jobs](../howto/derived-jobs.md).

{derivations_table()}"""


def derivations_table() -> str:
    """A threshold's settings stand beside the others."""
    rows = [
        (code(one.name), code(default_shown(one.default)), one.allowed, one.about)
        for one in [*choices(DerivationSettings), *choices(Threshold)]
        if one.name not in ("name", "threshold")
    ]
    return table(("name", "default", "allowed", "is"), rows)


def default_shown(value: object) -> str:
    """Nothing where a setting has to be given, or is a map."""
    return "" if value is MISSING or value == () else plain(value)


def choices_table(kind: type) -> str:
    rows = [
        (code(one.name), code(plain(one.default, one.name)), one.allowed, one.about)
        for one in choices(kind)
        if one.name not in NO_SETTING
    ]
    return table(("name", "default", "allowed", "is"), rows)


def source_of(module: str, name: str = "") -> str:
    """A module's text from the tree, or that of one of its classes; compiled ones have none."""
    text = (SOURCES / (module.replace(".", "/") + ".py")).read_text()
    if not name:
        return text
    (node,) = (
        one
        for one in ast.parse(text).body
        if isinstance(one, ast.ClassDef) and one.name == name
    )
    return ast.get_source_segment(text, node) or ""


def choices(kind: type, prefix: str = "", spoken: str = "") -> Iterator[Choice]:
    """A settings class's fields; a comment on a field's line says what it is."""
    source = source_of(kind.__module__, kind.__name__)
    ranges = ranges_of(kind.__module__, spoken)
    for field in fields(kind):
        if field.type is RetryPolicy:
            yield from choices(RetryPolicy, "retry_", "retry.")
            continue
        if field.type is Push:
            yield from choices(Push, "push_", "push_")
            continue
        comment = re.search(rf"^    {field.name}: .*?  # (.*)$", source, re.MULTILINE)
        default = field.default
        allowed = ranges.get(field.name, WORDS.get(prefix + field.name, ""))
        if isinstance(default, StrEnum):
            allowed = ", ".join(type(default))
        elif isinstance(default, bool):
            allowed = "true, false"
        yield Choice(prefix + field.name, default, comment[1] if comment else "", allowed)


def ranges_of(module: str, spoken: str) -> dict[str, str]:
    """What the `within("name", value, least, most)` of the settings classes allow."""
    found: dict[str, str] = {}
    names = dict(vars(entity_settings)) | vars(push_settings)
    for call in ast.walk(ast.parse(source_of(module))):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            continue
        if call.func.id in ("within", "real_within", "none_or_within") and isinstance(
            call.args[0], ast.Constant
        ):
            least, most = (eval(ast.unparse(one), names) for one in call.args[2:])  # noqa: S307
            none = "0, or " if call.func.id == "none_or_within" else ""
            name = str(call.args[0].value)
            if name.startswith(spoken):
                found[name.removeprefix(spoken)] = none + range_text(name, least, most)
    return found


def range_text(name: str, least: float, most: float) -> str:
    first = in_words(least, name)
    if most in (DURATION_MAX, ENDLESS):
        return f"{first} or more"
    return f"{first} to {in_words(most, name)}"


def in_words(value: float, name: str) -> str:
    """With its unit, where its name says which it is."""
    for ending, units in UNITS.items():
        if name.endswith(ending) and value:
            unit, size = next((u, s) for u, s in units if value % s == 0)
            count = int(value) // size
            return f"{count} {unit.removesuffix('s') if count == 1 and len(unit) > 2 else unit}"
    return str(value)


# ---- what `--help` says of them


def help_table() -> str:
    text = '"""What a queue or topic can be told. Made by docs/reference/generate.py: `make docs`."""\n\n'
    text += "from typing import Final\n\n"
    text += "# Name, default, what is allowed, and what it is.\n"
    for name, kind in (("QUEUE", QueueSettings), ("TOPIC", TopicSettings)):
        text += f"{name}: Final[tuple[tuple[str, str, str, str], ...]] = (\n"
        for one in choices(kind):
            if one.name in NO_SETTING:
                continue
            default = one.default
            if isinstance(default, StrEnum | str | bool) or not isinstance(
                default, int | float
            ):
                shown = plain(default)
            else:
                shown = in_words(default, one.name).replace(" ", "")  # as it may be typed
            cells = (one.name, shown, one.allowed, one.about)
            text += "    (\n"
            text += "".join(f"        {quoted(cell)},\n" for cell in cells)
            text += "    ),\n"
        text += ")\n"
    return text


def quoted(text: str) -> str:
    """As ruff formats it."""
    return f"'{text}'" if '"' in text else f'"{text}"'


# ---- bounds


def limits_page() -> str:
    """One table a section of limits.py; the comment above a limit says why it is so."""
    text = f"""# Bounds

{MADE}
What nobody can make the broker do, and why. Where a setting chooses, these are its default and range.
"""
    above: list[str] = []
    said = ""
    rows: list[tuple[str, ...]] = []
    for line in [*source_of(limits.__name__).splitlines(), "# ---- "]:
        if line.startswith("# ---- "):
            if rows:
                text += "\n" + table(("name", "value", "why"), rows)
            rows = []
            text += section_head(line.removeprefix("# ---- "))
        elif found := re.match(r"([A-Z]+_[A-Z_]+): Final = [^#]*(?:# (.*))?", line):
            said = " ".join(above) or found[2] or said  # neighbours share what is said above
            rows.append((code(found[1]), limit_text(found[1]), said))
            above = []
        elif line.startswith("# "):
            above.append(line.removeprefix("# "))
        else:
            above = []
    return text


def section_head(title: str) -> str:
    what, _mark, where = title.partition(" (")
    if not what:
        return ""
    files = ", ".join(f"`{file}`" for file in where.rstrip(")").split(", ") if file)
    return f"\n## {what[:1].upper()}{what[1:]}\n" + (f"\n{files}\n" if files else "")


def limit_text(name: str) -> str:
    ending = "_bytes" if "BYTES" in name else ""
    if re.search(r"DURATION|TIMEOUT|WINDOW_M|IDLE|RETRY|LOOK_AGAIN|PAUSE$", name):
        ending = "_ms"
    return in_words(getattr(limits, name), ending)


# ---- the commands


def command_of(*path: str) -> Any:
    command: Any = typer.main.get_command(build([]))
    for name in path:
        command = command.commands[name]
    return command


def commands_page() -> str:
    text = f"""# Commands

{MADE}
Exit codes: 0 done, 1 refused or failed, 2 wrong usage; `peeklock serve` ends with 70 when its journal
failed or says what memory does not. With `--json` each prints one JSON document a line. `--url` (else `PEEKLOCK_URL`) is
`amqp[s]://[user:password@]host[:port]`; without it a command talks to the broker that was started
last on this machine, as the user that it made (`PEEKLOCK_CREDENTIALS` names the file that says so).
`SSL_CERT_FILE` names the certificates to trust when none of the system's has signed the broker's.
"""
    for path, command in leaves(command_of(), ()):
        text += "\n" + command_text(path, command)
    return text


def leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, one in below.items():
        yield from leaves(one, (*path, name))


def command_text(path: tuple[str, ...], command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    usage = ["peeklock", *path, *(argument_text(one) for one in arguments)]
    about, _mark, examples = inspect.cleandoc(command.help).partition("\b\n")
    text = f"## `{' '.join(usage)}`\n\n{about.strip()}\n"
    if examples:
        text += f"\n```sh\n{inspect.cleandoc(examples)}\n```\n"
    rows = [
        (code(option_text(one)), code(option_default(one)), one.help or "")
        for one in options
        if one.name not in ("url", "as_json", "help")
    ]
    common = [
        f"`--{one.name.removeprefix('as_')}`"
        for one in options
        if one.name in ("url", "as_json")
    ]
    if rows:
        text += "\n" + table(("option", "default", "is"), rows)
    return text + (f"\nAlso {' and '.join(common)}.\n" if common else "")


def argument_text(argument: Any) -> str:
    name = str(argument.metavar or argument.name).upper()
    return name if argument.required else f"[{name}]"


def option_text(option: Any) -> str:
    kind = option.type_descriptor.annotation
    if kind is bool:
        return ", ".join(option.opts)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        value = "|".join(kind)
    else:
        value = option.metavar or {int: "N", Path: "FILE"}.get(kind, "TEXT")
    return f"{', '.join(option.opts)} {value}"


def option_default(option: Any) -> str:
    default = option.default
    if default is None or default is False or default == "" or callable(default):
        return ""
    return str(getattr(default, "value", default))


if __name__ == "__main__":
    main()
