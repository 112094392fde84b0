"""A derivation in force: what its author wrote, and what was made of it, once."""

from collections.abc import Callable, Mapping
from math import isfinite, nan
from typing import Final, TypeVar, final

from peeklock.entities.derivation_settings import DerivationSettings
from peeklock.entities.signal_reader import NO_CAPTURES, SignalReader, SignalView
from peeklock.entities.threshold import Threshold
from peeklock.errors import FilterError, InvalidFilter
from peeklock.filters.filter import Filter, TrueFilter, cesql_filter, sql_filter
from peeklock.filters.path_pattern import PathPattern
from peeklock.filters.template import (
    OF_A_SIGNAL,
    PATH,
    JsonTemplate,
    Reference,
    Template,
)
from peeklock.filters.values import SHOWN_CHARACTERS_MAX
from peeklock.limits import DERIVATION_KEY_CHARACTERS_MAX

Made = TypeVar("Made")
KEY: Final = "key"
COUNT: Final = "count"
VALUE: Final = "value"
SIDE: Final = "side"
FIRST_AT: Final = "first_at"
LAST_AT: Final = "last_at"
TOPIC: Final = "topic"
DERIVATION: Final = "derivation"
# What a job's template may name beside what is in its signal.
OF_A_JOB: Final = frozenset((KEY, COUNT, VALUE, SIDE, FIRST_AT, LAST_AT, TOPIC, DERIVATION))
# Attributes of the signal that a job tells of, whatever its template says.
TOLD: Final = ("type", "subject", "time", "traceparent")


@final
class Taken:
    """What a derivation takes of a signal."""

    __slots__ = ("figure", "key", "part", "values")

    def __init__(
        self, key: str, values: dict[str, object], figure: float = 0.0, part: str = ""
    ) -> None:
        self.key: Final = key
        self.values: Final = values  # of the placeholders, by their texts
        self.figure: Final = figure  # a threshold's value; 0 where it has none
        self.part: Final = part  # whose last value that is; "": nobody's


@final
class Derivation:
    """One derivation of a topic."""

    def __init__(self, settings: DerivationSettings) -> None:
        """Raises `InvalidFilter`, which names the setting."""
        self.settings: Final = settings
        self.filter: Final = made(settings, "condition", lambda: filter_of(settings))
        # Does the filter ask for more than properties?
        self._looks_deep: Final = "data." in settings.sql or "path." in settings.sql
        self._pattern: Final = (
            made(settings, "path", lambda: PathPattern(settings.path))
            if settings.path
            else None
        )
        self._key: Final = template(settings, KEY, settings.key, OF_A_SIGNAL)
        roots = OF_A_SIGNAL | OF_A_JOB
        self.subject: Final = template(settings, "subject", settings.subject, roots)
        self.session: Final = template(settings, "session", settings.session, roots)
        self.body: Final = made(settings, "body", lambda: JsonTemplate(settings.body, roots))
        threshold = settings.threshold or Threshold()
        self._value: Final = template(settings, VALUE, threshold.value, OF_A_SIGNAL)
        self._part: Final = template(settings, "latest_per", threshold.latest_per, OF_A_SIGNAL)
        self.properties: Final[list[tuple[str, Template]]] = [
            (name, template(settings, f"property {name!r}", text, roots))
            for name, text in settings.properties
        ]
        self._references: Final[dict[str, Reference]] = self._named()
        self._check_captures()

    def _named(self) -> dict[str, Reference]:
        """What its templates name in a signal, by the placeholders' texts."""
        templates = [self._key, self._value, self._part, self.subject, self.session]
        templates += [one for _name, one in self.properties]
        named = [*self.body.references]
        for template in templates:
            named += template.references
        found = {one.text: one for one in named if one.root in OF_A_SIGNAL}
        for name in TOLD:
            text = f"event.{name}"
            found.setdefault(text, Reference("event", name, text))
        return found

    def _check_captures(self) -> None:
        """What is named of the path is in the path."""
        known = frozenset[str]() if self._pattern is None else self._pattern.names
        for reference in self._references.values():
            if reference.root == PATH and reference.name not in known:
                listed = ", ".join(sorted(known)) or "none"
                raise InvalidFilter(
                    f"${{{reference.text}}} is no level of the path of derivation "
                    f"{self.settings.name!r}; expected one of its names: {listed}"
                )

    def take(self, signal: SignalReader) -> Taken | None:
        """What it takes of a signal; None for one that it does not mean.

        Raises `FilterError` for one that it means and can make nothing of.
        """
        captures: Mapping[str, str] = NO_CAPTURES
        if self._pattern is not None:
            found = self._pattern.match(signal.subject)
            if found is None:
                return None
            captures = found
        view = SignalView(signal, captures) if self._looks_deep else signal.view
        if not self.filter.matches(view):
            return None
        values = {
            text: signal.value(reference, captures)
            for text, reference in self._references.items()
        }
        key = text_from(KEY, self._key, values)
        if self.settings.threshold is None:
            return Taken(key, values)
        part = text_from("latest_per", self._part, values)
        if not self._value.text:  # a count's
            return Taken(key, values, 0.0, part)
        return Taken(key, values, number_from(self._value.value(values)), part)


def text_from(name: str, template: Template, values: dict[str, object]) -> str:
    """What comes out of a template for which all has to be there; raises `FilterError`."""
    for reference in template.references:
        if values[reference.text] is None:
            raise FilterError(f"its {name} has nothing for ${{{reference.text}}}")
    text = template.render(values)
    if len(text) > DERIVATION_KEY_CHARACTERS_MAX:
        raise FilterError(
            f"its {name} has {len(text)} characters; "
            f"allowed are {DERIVATION_KEY_CHARACTERS_MAX}"
        )
    return text


def number_from(value: object) -> float:
    """A number, or a text that is one; raises `FilterError` for anything else."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = nan
        if isfinite(number):
            return number
    raise FilterError(f"its value is no number: {str(value)[:SHOWN_CHARACTERS_MAX]!r}")


def filter_of(settings: DerivationSettings) -> Filter:
    """Raises `InvalidFilter`."""
    if settings.sql:
        return sql_filter(settings.sql)
    return cesql_filter(settings.cesql) if settings.cesql else TrueFilter()


def template(
    settings: DerivationSettings, what: str, text: str, roots: frozenset[str]
) -> Template:
    return made(settings, what, lambda: Template(text, roots))


def made(settings: DerivationSettings, what: str, make: Callable[[], Made]) -> Made:
    """What `make` makes; its refusal says of which setting it is."""
    try:
        return make()
    except InvalidFilter as error:
        raise InvalidFilter(
            f"{error.what} (the {what} of derivation {settings.name!r})",
            error.line,
            error.column,
            error.expected,
        ) from None
