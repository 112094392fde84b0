"""The properties of a message that is none: what filters are tried on."""

from collections.abc import Mapping
from uuid import UUID

from peeklock.filters.values import Value
from peeklock.filters.view import JmsHeader, SystemProperty

NEW_ID = UUID(int=7)


class FakeView:
    """`filters.view.PropertyView` over two dictionaries; counts how often it was asked."""

    def __init__(
        self,
        user: Mapping[str, Value] | None = None,
        system: Mapping[SystemProperty, Value] | None = None,
        headers: Mapping[JmsHeader, Value] | None = None,
        attributes: Mapping[str, Value] | None = None,
    ) -> None:
        self._attributes = dict(attributes or {})
        self._headers = dict(headers or {})
        self._user = dict(user or {})
        self._system = dict(system or {})
        self.asked = 0

    def system(self, which: SystemProperty) -> Value:
        self.asked += 1
        return self._system.get(which)

    def jms_header(self, which: JmsHeader) -> Value:
        self.asked += 1
        return self._headers.get(which)

    def user(self, name: str) -> Value:
        self.asked += 1
        return self._user.get(name)

    def user_any_case(self, name: str) -> Value:
        self.asked += 1
        if name in self._user:
            return self._user[name]
        folded = {key.lower(): value for key, value in reversed(self._user.items())}
        return folded.get(name.lower())

    def has_user(self, name: str) -> bool:
        return name.lower() in {key.lower() for key in self._user}

    def attribute(self, name: str) -> Value:
        self.asked += 1
        return self._attributes.get(name)

    def new_id(self) -> UUID:
        return NEW_ID
