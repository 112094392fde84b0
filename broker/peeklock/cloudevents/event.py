"""CloudEvent: attributes and data (CloudEvents 1.0 §2). What exists is valid."""

from collections.abc import Mapping
from typing import Final, final

from peeklock.cloudevents.attribute import REQUIRED, AttributeValue, checked, string
from peeklock.cloudevents.data import (
    JSON_TYPE,
    PROTOBUF_TYPE,
    Data,
    DataForm,
    is_json_type,
)
from peeklock.errors import InvalidEvent
from peeklock.limits import EVENT_ATTRIBUTES_MAX


@final
class CloudEvent:
    """One event. Nothing in it changes after it was made.

    `attributes` are all of them, required ones and `datacontenttype` included, in the order in
    which they came. A `specversion` other than 1.0 is kept and not interpreted.
    """

    __slots__ = ("attributes", "data")

    def __init__(
        self, attributes: Mapping[str, AttributeValue], data: Data | None = None
    ) -> None:
        """Raises `InvalidEvent`, which names the attribute and says what is allowed."""
        # Not counting datacontenttype, which `explicit` may add to what has been taken.
        count = len(attributes) - ("datacontenttype" in attributes)
        if count > EVENT_ATTRIBUTES_MAX:
            raise InvalidEvent(
                "event", f"{count} attributes; allowed are {EVENT_ATTRIBUTES_MAX}"
            )
        for name in REQUIRED:
            if name not in attributes:
                raise InvalidEvent(name, "missing; an event must have it")
        self.attributes: Final[dict[str, AttributeValue]] = {
            name: checked(name, value) for name, value in attributes.items()
        }
        self.data: Final = data
        content_type = self.content_type
        if data is not None and data.form is DataForm.JSON and content_type is not None:
            if not is_json_type(content_type):
                raise InvalidEvent("data", f"JSON, with the datacontenttype {content_type!r}")

    @property
    def id(self) -> str:
        return self.attributes["id"].text

    @property
    def source(self) -> str:
        return self.attributes["source"].text

    @property
    def type(self) -> str:
        return self.attributes["type"].text

    @property
    def content_type(self) -> str | None:
        """`datacontenttype` as it was given; None: not given."""
        return self.text("datacontenttype")

    def text(self, name: str) -> str | None:
        """An attribute's canonical text; None for one that is not there."""
        value = self.attributes.get(name)
        return None if value is None else value.text

    def __eq__(self, other: object) -> bool:
        """The same to the last: types of attributes and the form of data included."""
        if not isinstance(other, CloudEvent):
            return NotImplemented
        return self.attributes == other.attributes and self.data == other.data

    def __hash__(self) -> int:
        return hash((self.source, self.id))

    def __repr__(self) -> str:
        return f"CloudEvent({self.attributes!r}, {self.data!r})"

    def says_the_same_as(self, other: "CloudEvent") -> bool:
        """Equal canonical texts, and equal data: all that every binding and format can keep.

        A `datacontenttype` that the form of the data implies counts as said. None, empty and
        null data are different things.
        """
        one = explicit(self)
        two = explicit(other)
        if one.texts() != two.texts():
            return False
        if one.data is None or two.data is None:
            return one.data is two.data
        return one.data.content == two.data.content

    def texts(self) -> dict[str, str]:
        """Canonical texts by name."""
        return {name: value.text for name, value in self.attributes.items()}


def explicit(event: CloudEvent) -> CloudEvent:
    """The event with the `datacontenttype` that its data implies (JSON format §3.1.2).

    JSON without one is `application/json`, a protobuf message `application/protobuf`; where
    the form is lost, in another format or binding, this must be said.
    """
    data = event.data
    if data is None or event.content_type is not None:
        return event
    if data.form is DataForm.JSON:
        implied = JSON_TYPE
    elif data.form is DataForm.PROTO:
        implied = PROTOBUF_TYPE
    else:
        return event
    return CloudEvent({**event.attributes, "datacontenttype": string(implied)}, data)


def same_types(one: CloudEvent, two: CloudEvent) -> bool:
    """Do all attributes have the same types in both, and a protobuf message its type's name?"""
    if type_url_of(one) != type_url_of(two):
        return False
    for name, value in one.attributes.items():
        other = two.attributes.get(name)
        if other is None or other.kind is not value.kind:
            return False
    return True


def type_url_of(event: CloudEvent) -> str:
    """The type's name of data that is a protobuf message; "" for all else."""
    return "" if event.data is None else event.data.type_url
