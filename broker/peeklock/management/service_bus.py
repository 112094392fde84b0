"""An entity's settings by the names that Azure Service Bus has for them.

Its administration interface writes them in XML, its emulator's configuration in JSON; so a
value comes as text or as what JSON makes of it.
"""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import unquote

from peeklock.entities.settings import QueueSettings, Status, TopicSettings
from peeklock.entities.settings_map import Settings, settings_as_map, with_changes
from peeklock.errors import InvalidRequest
from peeklock.limits import KIB, MIB
from peeklock.management.iso_durations import DAY, read_duration, write_duration
from peeklock.management.service_bus_kept import (
    AUTHORIZATION,
    KEPT,
    KEPT_FLAGS,
    REFUSED,
    access_rules_from,
    flags_of,
    kept_with,
)

SHOWN_CHARACTERS_MAX: Final = 60  # of a value in an error
# .NET's longest time span, which is how Service Bus writes "never"; clients round its end.
NEVER_TEXT: Final = "P10675199DT2H48M5.4775807S"
NEVER_FROM: Final = 10_675_199 * DAY
# What is told where duplicates are not dropped, since clients want to read some duration.
DUPLICATE_WINDOW_TEXT: Final = "PT10M"
DETECTS: Final = "RequiresDuplicateDetection"
WINDOW: Final = "DuplicateDetectionHistoryTimeWindow"
STATUS: Final = "Status"
STATUSES: Final = {
    Status.ACTIVE: "Active",
    Status.DISABLED: "Disabled",
    Status.SEND_DISABLED: "SendDisabled",
    Status.RECEIVE_DISABLED: "ReceiveDisabled",
}

DURATIONS: Final = {"LockDuration": "lock_duration_ms"}
LIFETIMES: Final = {  # "never" is 0 here
    "DefaultMessageTimeToLive": "default_ttl_ms",
    "AutoDeleteOnIdle": "auto_delete_on_idle_ms",
}
FLAGS: Final = {
    "DeadLetteringOnMessageExpiration": "dead_letter_on_expiry",
    "DeadLetteringOnFilterEvaluationExceptions": "dead_letter_on_filter_error",
    "RequiresSession": "requires_session",
}
COUNTS: Final = {"MaxDeliveryCount": "max_delivery_count"}
SIZES: Final = {  # with the unit, in bytes
    "MaxSizeInMegabytes": ("max_bytes", MIB),
    "MaxMessageSizeInKilobytes": ("max_message_bytes", KIB),
}
TEXTS: Final = {"UserMetadata": "user_metadata"}
PATHS: Final = {
    "ForwardTo": "forward_to",
    "ForwardDeadLetteredMessagesTo": "forward_dead_letters_to",
}


def setting_names() -> dict[str, str]:
    """The property's name → the setting's."""
    plain = DURATIONS | LIFETIMES | FLAGS | COUNTS | TEXTS | PATHS
    sizes = {name: setting for name, (setting, _unit) in SIZES.items()}
    return {**plain, **sizes, STATUS: "status", WINDOW: "duplicate_window_ms"}


SETTINGS: Final = setting_names()


def property_names(base: Settings) -> list[str]:
    """What `changes_from` takes for a queue or subscription, or for a topic."""
    known = settings_as_map(base)
    found: list[str] = [name for name, setting in SETTINGS.items() if setting in known]
    return [*found, DETECTS, *KEPT, *REFUSED]


# ---- their names and values → ours


def changes_from(properties: Mapping[str, object], base: Settings) -> dict[str, object]:
    """What these properties change in `base`, by our names; raises `InvalidRequest`.

    Each is tried by itself, so that the refusal names the property.
    """
    known = property_names(base)
    changes: dict[str, object] = {}
    for name, value in properties.items():
        if name not in known:
            raise InvalidRequest(f"no property {name!r}; there are {', '.join(sorted(known))}")
        if name not in SETTINGS or name == WINDOW:
            continue
        try:
            change = setting_from(name, value, base)
            with_changes(base, change)
        except (InvalidRequest, TypeError, ValueError) as error:
            raise InvalidRequest(f"{name} is {shown(value)}: {error}") from None
        changes.update(change)
    said = said_in(properties)
    return changes | duplicates_from(properties, base) | kept_with(base, said)


def setting_from(name: str, value: object, base: Settings) -> dict[str, object]:
    """One property as a setting; none when it says nothing new."""
    setting = SETTINGS[name]
    if name in DURATIONS:
        return {setting: int(read_duration(as_text(value)))}
    if name in LIFETIMES:
        return {setting: read_lifetime(as_text(value))}
    if name in FLAGS:
        return {setting: as_flag(value)}
    if name in COUNTS:
        return {setting: as_whole(value)}
    if name in SIZES:
        unit = SIZES[name][1]
        told = size_told(base, setting, unit)
        whole = as_whole(value)
        return {} if whole == told else {setting: whole * unit}
    if name in PATHS:
        return {setting: entity_in(as_text(value))}
    if name == STATUS:
        return {setting: read_status(as_text(value))}
    return {setting: as_text(value)}


def said_in(properties: Mapping[str, object]) -> dict[str, object]:
    """What is kept and no more; raises `InvalidRequest` for what would need more."""
    said: dict[str, object] = {}
    for name, value in properties.items():
        try:
            if name in KEPT_FLAGS:
                said[name] = as_flag(value)
            elif name in REFUSED and as_flag(value):
                raise InvalidRequest(REFUSED[name])
        except InvalidRequest as error:
            raise InvalidRequest(f"{name} is {shown(value)}: {error}") from None
    if AUTHORIZATION in properties:
        said[AUTHORIZATION] = access_rules_from(properties[AUTHORIZATION])
    return said


def duplicates_from(properties: Mapping[str, object], base: Settings) -> dict[str, object]:
    """Two properties there, one setting here: a window of 0 drops no duplicates."""
    detects = base.duplicate_window_ms != 0
    name = DETECTS
    try:
        if DETECTS in properties:
            detects = as_flag(properties[DETECTS])
        if not detects:
            return {"duplicate_window_ms": 0} if DETECTS in properties else {}
        name = WINDOW
        told = write_duration(base.duplicate_window_ms or read_duration(DUPLICATE_WINDOW_TEXT))
        change = {
            "duplicate_window_ms": int(read_duration(as_text(properties.get(name, told))))
        }
        if change["duplicate_window_ms"] == 0:
            raise InvalidRequest("a window has some length")
        with_changes(base, change)
    except InvalidRequest as error:
        raise InvalidRequest(f"{name} is {shown(properties.get(name))}: {error}") from None
    return dict(change)


def read_lifetime(text: str) -> int:
    """Milliseconds; 0 for never. As 0 means never, no time at all is refused."""
    duration = read_duration(text)
    if duration == 0:
        raise InvalidRequest("it is at least a millisecond")
    return 0 if duration >= NEVER_FROM else int(duration)


def read_status(text: str) -> str:
    for status, name in STATUSES.items():
        if name.casefold() == text.casefold():
            return str(status)
    raise InvalidRequest(f"there are {', '.join(STATUSES.values())}")


def entity_in(text: str) -> str:
    """The entity's path in `sb://host:port/path`, or what is a path already."""
    _scheme, separator, rest = text.partition("://")
    if not separator:
        return text.strip("/")
    _authority, _separator, path = rest.partition("/")
    return unquote(path).strip("/")


def shown(value: object) -> str:
    """As an error has it: not all of it when it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[:SHOWN_CHARACTERS_MAX] + "…"


def as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise InvalidRequest("that is no text")


def as_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "1": True, "false": False, "0": False}
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in known:
        raise InvalidRequest("there are true and false")
    return known[text]


def as_whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidRequest("that is no whole number")
    return int(text)


# ---- ours → theirs


def properties_of(settings: QueueSettings | TopicSettings) -> dict[str, str]:
    """Every property of an entity with these settings, as Service Bus writes it in XML.

    Without its authorization rules, which are no text: `access_rules_of` has them.
    """
    values = settings_as_map(settings)
    found = {name: told_flag(flag) for name, flag in flags_of(settings).items()}
    found |= dict.fromkeys(REFUSED, told_flag(False))
    texts: list[tuple[Mapping[str, str], Callable[[object], str]]] = [
        (DURATIONS, told_duration),
        (LIFETIMES, told_lifetime),
        (FLAGS, told_flag),
        (COUNTS, str),
        (TEXTS, str),
        (PATHS, str),
    ]
    for names, tell in texts:
        found |= {name: tell(values[key]) for name, key in names.items() if key in values}
    for name, (setting, unit) in SIZES.items():
        found[name] = str(size_told(settings, setting, unit))
    found[STATUS] = STATUSES[settings.status]
    window = settings.duplicate_window_ms
    found[DETECTS] = told_flag(window != 0)
    found[WINDOW] = write_duration(window) if window else DUPLICATE_WINDOW_TEXT
    return found


def size_told(settings: QueueSettings | TopicSettings, setting: str, unit: int) -> int:
    """In whole units, and at least one: 0 would say that nothing fits."""
    value = getattr(settings, setting)
    assert isinstance(value, int)
    return max(1, value // unit)


def told_duration(value: object) -> str:
    assert isinstance(value, int)
    return write_duration(value)


def told_lifetime(value: object) -> str:
    return NEVER_TEXT if value == 0 else told_duration(value)


def told_flag(value: object) -> str:
    return "true" if value else "false"
