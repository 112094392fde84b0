"""A signal as derivations see it: whose it is, and what their placeholders name in it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Final, final
from uuid import UUID

import orjson

from peeklock.entities.lens import Lens
from peeklock.errors import FilterError
from peeklock.filters.template import DATA, EVENT, PATH, Reference
from peeklock.filters.values import Value, text_of
from peeklock.filters.view import JmsHeader, PropertyView, SystemProperty
from peeklock.message import Message
from peeklock.types import EntityPath, SequenceNumber

CAUSE_BYTES: Final = 16  # of a digest: two causes with the same one are not to be expected
NO_CAPTURES: Final[Mapping[str, str]] = {}
# Attributes that a message which is no event has by other names.
OTHERWISE: Final = {"subject": SystemProperty.LABEL, "id": SystemProperty.MESSAGE_ID}


@final
class Cause:
    """The signal that made a job, or the last that counted towards it: source and id."""

    __slots__ = ("id", "source")

    def __init__(self, source: str, id_: str) -> None:
        self.source: Final = source
        self.id: Final = id_

    def key(self) -> bytes:
        """What a producer's second try has, too."""
        return digest(self.source, self.id)[:CAUSE_BYTES]


@final
class SignalReader:
    """One message that was sent to a topic. Its data is read when somebody asks for it."""

    def __init__(
        self,
        message: Message,
        view: PropertyView,
        lens: Lens,
        topic: EntityPath,
        number: SequenceNumber,
        subject: str | None,
    ) -> None:
        self.view: Final = view
        self._message: Final = message
        self._lens: Final = lens
        self._is_read = False
        self._data: object = None
        self._why_not = ""  # why it has no JSON data
        self._topic: Final = topic
        self._number: Final = number
        self.subject: Final = subject or ""

    def cause(self) -> Cause:
        """Whose it is. What is no event comes from its topic, and is told apart by its
        message-id, or by its number.
        """
        source = text_or(self.attribute("source"), self._topic)
        return Cause(source, text_or(self.attribute("id"), f"#{self._number}"))

    def attribute(self, name: str) -> Value:
        """Of the event, or of the message where it is no event."""
        value = self.view.attribute(name)
        if value is None and name in OTHERWISE:
            value = self.view.system(OTHERWISE[name])
        return value

    def value(self, reference: Reference, captures: Mapping[str, str]) -> object:
        """What a placeholder names, as JSON has it; None: it is not there.

        Raises `FilterError` where it is in the data, and that is no JSON.
        """
        if reference.root == EVENT:
            return as_json(self.attribute(reference.name))
        if reference.root == PATH:
            return captures.get(reference.name)
        if reference.root == DATA:
            return below(self.data(), reference.steps)
        return as_json(self.view.user_any_case(reference.name))

    def data(self) -> object:
        """Its JSON data; raises `FilterError` when it has none."""
        if not self._is_read:
            self._is_read = True
            self._read()
        if self._why_not:
            raise FilterError(self._why_not)
        return self._data

    def _read(self) -> None:
        text = self._lens.data(self._message)
        if text is None:
            self._why_not = "its data cannot be looked into: it is no bytes, or too large"
            return
        try:
            self._data = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            self._why_not = f"its data is no JSON: {error}"


@final
class SignalView:
    """A signal's properties for a filter that asks for more than these: what is in its data.

    `data.NAME` and `path.NAME` are found there; what is not there, or no scalar, is nothing.
    """

    def __init__(self, signal: SignalReader, captures: Mapping[str, str]) -> None:
        self._signal: Final = signal
        self._view: Final = signal.view
        self._captures: Final = captures

    def system(self, which: SystemProperty) -> Value:
        return self._view.system(which)

    def jms_header(self, which: JmsHeader) -> Value:
        return self._view.jms_header(which)

    def user(self, name: str) -> Value:
        return self.user_any_case(name)

    def user_any_case(self, name: str) -> Value:
        root, dot, rest = name.partition(".")
        if not dot or root not in (DATA, PATH):
            return self._view.user_any_case(name)
        try:
            found = self._signal.value(Reference(root, rest, name), self._captures)
        except FilterError:
            return None
        return found if isinstance(found, (str, bool, int, float)) else None

    def has_user(self, name: str) -> bool:
        return self.user_any_case(name) is not None or self._view.has_user(name)

    def attribute(self, name: str) -> Value:
        return self._view.attribute(name)

    def new_id(self) -> UUID:
        return self._view.new_id()


def digest(*texts: str) -> bytes:
    """Of several texts, wherever one ends and the next begins."""
    found = sha256()
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        found.update(len(raw).to_bytes(4, "big"))
        found.update(raw)
    return found.digest()


def text_or(value: Value, otherwise: str) -> str:
    return otherwise if value is None else text_of(value)


def below(value: object, steps: list[str]) -> object:
    """What is at the end of these names, and places in lists, from 0; None: nothing."""
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and len(step) < 10:
            place = int(step)
            value = value[place] if place < len(value) else None
        else:
            return None
    return value


def as_json(value: Value) -> object:
    """A property's value as JSON has it: what it has no word for is text."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    assert isinstance(value, (Decimal, bytes, UUID, datetime, timedelta))
    return text_of(value)
