"""What the owner of a topic says of a job that is to be derived from its signals."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from peeklock.entities.address import parse_address
from peeklock.entities.settings_map import as_plain, typed
from peeklock.entities.threshold import Threshold
from peeklock.errors import InvalidRequest
from peeklock.limits import (
    DERIVATION_NAME_CHARACTERS_MAX,
    DERIVATION_PERIOD_MAX,
    DERIVATION_PERIOD_MIN,
    DERIVATION_PROPERTIES_MAX,
)
from peeklock.types import EntityPath

# What a job says when nobody says what it is to say.
BODY_DEFAULT: Final = (
    '{"subject": "${event.subject}", "key": "${key}", "count": "${count}", "value": "${value}"}'
)
SUBJECT_DEFAULT: Final = "${event.subject}"
PROPERTIES: Final = "properties"
THRESHOLD: Final = "threshold"
# Properties that tell a job's cause begin with these.
OWN_PREFIXES: Final = ("cause_", "derived_")


class DerivationKind(StrEnum):
    """When signals make a job."""

    EACH = "each"  # each one does
    DEBOUNCE = "debounce"  # the last one before it is quiet for the period
    COALESCE = "coalesce"  # all of a period together, which begins with the first
    ABSENCE = "absence"  # none for the period makes one
    THRESHOLD = "threshold"  # the one by which a figure of their values leaves its bounds


# Those that have a period.
WAITS: Final = (DerivationKind.DEBOUNCE, DerivationKind.COALESCE, DerivationKind.ABSENCE)


@dataclass(frozen=True)
class DerivationSettings:
    """Which signals of a topic make a job, when, in which queue, and what it says.

    A signal is meant when its subject has the `path` and the condition is true, `sql` or
    `cesql`; without any, all are. `key`, `subject`, `session`, `body` and `properties` are
    templates.
    """

    name: str
    to: str  # the queue that gets the jobs; it is there
    kind: DerivationKind = DerivationKind.EACH  # when signals make a job
    path: str = ""  # of the signal's subject: + any level, {name} one with a name, # the rest
    sql: str = ""  # a condition on the signal; [data.NAME] is in its JSON data
    cesql: str = ""  # the same, in CloudEvents SQL
    period_ms: int = 0  # of quiet or silence, or the window's length
    key: str = ""  # what belongs together: one account for each text that comes out
    subject: str = SUBJECT_DEFAULT  # of the job
    session: str = ""  # the job's message session; "": none
    body: str = BODY_DEFAULT  # of the job: JSON, placeholders in its strings
    properties: tuple[tuple[str, str], ...] = ()  # of the job: names and templates
    dead_letter_on_error: bool = True  # signals it fails on go to the queue's dead letters
    threshold: Threshold | None = None  # of the kind of this name, and of no other

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= DERIVATION_NAME_CHARACTERS_MAX or "/" in self.name:
            raise InvalidRequest(
                f"a derivation's name has 1 to {DERIVATION_NAME_CHARACTERS_MAX} characters and "
                f"no '/': {self.name!r}"
            )
        if not self.to:
            raise self.wrong("to", "is missing; expected the name of a queue that is there")
        if self.sql and self.cesql:
            raise self.wrong("cesql", "and sql are two derivations: make both")
        if self.kind in WAITS:
            if not DERIVATION_PERIOD_MIN <= self.period_ms <= DERIVATION_PERIOD_MAX:
                raise self.wrong(
                    "period_ms",
                    f"is {self.period_ms}; for {self.kind} it is {DERIVATION_PERIOD_MIN} to "
                    f"{DERIVATION_PERIOD_MAX}",
                )
        elif self.period_ms:
            raise self.wrong(
                "period_ms", f"is {self.period_ms}; {self.kind} waits for nothing: leave it out"
            )
        if (self.threshold is not None) != (self.kind is DerivationKind.THRESHOLD):
            if self.threshold is None:
                raise self.wrong("above", "and below are missing; a threshold has one or both")
            raise self.wrong("kind", f"is {self.kind}, with what only a threshold has")
        mistake = None if self.threshold is None else self.threshold.mistake()
        if mistake is not None:
            raise self.wrong(mistake[0], mistake[1])
        if len(self.properties) > DERIVATION_PROPERTIES_MAX:
            raise self.wrong(
                PROPERTIES, f"has {len(self.properties)}; up to {DERIVATION_PROPERTIES_MAX}"
            )
        for name, _template in self.properties:
            if not name or name.startswith(OWN_PREFIXES):
                reserved = " or ".join(OWN_PREFIXES)
                raise self.wrong(
                    PROPERTIES,
                    f"has {name!r}; expected a name that does not begin with {reserved}",
                )

    @property
    def memory(self) -> dict[str, str]:
        """What there is to remember by: settings that make it mean something, by their names.

        As long as something is remembered, they stay.
        """
        if self.kind is DerivationKind.EACH:
            return {}
        found = {"kind": str(self.kind), "key": self.key}
        if self.threshold is not None:
            found |= {"value": self.threshold.value, "latest_per": self.threshold.latest_per}
        return found

    @property
    def waits_unasked(self) -> bool:
        """Does it wait for a first signal? There is one key, and it is known."""
        return self.kind is DerivationKind.ABSENCE and not self.key

    @property
    def target(self) -> EntityPath:
        """The path that `to` names, as any address: it is there that one may have to send."""
        return parse_address(self.to).path

    def wrong(self, setting: str, what: str) -> InvalidRequest:
        """A refusal that names the setting."""
        return InvalidRequest(f"derivation {self.name!r}: {setting} {what}")


# In a map, a threshold's settings stand beside the others.
NAMES: Final = tuple([one.name for one in fields(DerivationSettings) if one.name != THRESHOLD])
THRESHOLD_NAMES: Final = tuple([one.name for one in fields(Threshold)])


def derivation_as_map(settings: DerivationSettings) -> dict[str, object]:
    """Every setting by its name; properties as a map."""
    found = {name: as_plain(getattr(settings, name)) for name in NAMES}
    found[PROPERTIES] = dict(settings.properties)
    if settings.threshold is not None:
        for name in THRESHOLD_NAMES:
            value = getattr(settings.threshold, name)
            if value is not None:
                found[name] = as_plain(value)
    return found


def derivation_from_map(values: Mapping[str, object]) -> DerivationSettings:
    """As `derivation_as_map` wrote it, or an owner; names that are no setting are left out.

    Raises `InvalidRequest` naming what is wrong, and what is expected there.
    """
    name = values.get("name") if isinstance(values, dict) else None
    if not isinstance(name, str):
        raise InvalidRequest("a derivation has a name")
    found: dict[str, object] = {"to": ""}
    for setting in NAMES:
        if setting in values:
            found[setting] = read(str(name), setting, values[setting])
    given = {
        setting: read(str(name), setting, values[setting])
        for setting in THRESHOLD_NAMES
        if setting in values
    }
    if given:
        found[THRESHOLD] = Threshold(**given)  # type: ignore[arg-type]  # typed() did, too
    return DerivationSettings(**found)  # type: ignore[arg-type]  # typed() has checked them


def read(name: str, setting: str, value: object) -> object:
    """The value of a setting of derivation `name`."""
    try:
        if setting == PROPERTIES:
            return pairs_from(value)
        like = getattr(FIGURE if setting in THRESHOLD_NAMES else EXAMPLE, setting)
        return typed(setting, like, value)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"derivation {name!r}: {error}") from None


def pairs_from(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise TypeError(f"{PROPERTIES} is a map of names and templates, not {value!r}")
    found: list[tuple[str, str]] = []
    for name, template in value.items():
        if not isinstance(name, str) or not isinstance(template, str):
            raise TypeError(f"{PROPERTIES} has {name!r}: {template!r}; expected texts")
        found.append((str(name), str(template)))
    return tuple(found)


# Settings' values are of the types that these have.
EXAMPLE: Final = DerivationSettings("example", "queue")
FIGURE: Final = Threshold(above=0.0, below=0.0)
