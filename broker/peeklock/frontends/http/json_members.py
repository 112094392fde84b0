"""Members of a JSON object that somebody has sent, as what they have to be."""

from typing import TypeAlias

from peeklock.errors import InvalidRequest

Json: TypeAlias = dict[str, object]


def text_in(given: Json, name: str, where: str = "") -> str:
    """ "" where it is not there."""
    value = given.get(name, "")
    if not isinstance(value, str):
        raise InvalidRequest(f"{where}{name} is a string")
    return value


def object_in(given: Json, name: str) -> Json:
    value = given.get(name, {})
    if not isinstance(value, dict):
        raise InvalidRequest(f"{name} is an object")
    return value


def list_in(given: Json, name: str) -> list[object]:
    value = given.get(name, [])
    if not isinstance(value, list):
        raise InvalidRequest(f"{name} is an array")
    return value
