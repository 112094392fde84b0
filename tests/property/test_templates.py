"""Texts that are no templates are refused as such; those that are, say what they are given."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from peeklock.entities.derivation_settings import DerivationSettings as Settings
from peeklock.entities.derivation_settings import derivation_as_map, derivation_from_map
from peeklock.errors import InvalidFilter
from peeklock.filters.path_pattern import PathPattern
from peeklock.filters.template import OF_A_SIGNAL, JsonTemplate, Template
from tests.support.facts import derivations

pieces = st.sampled_from(
    ["$", "${", "}", "$$", "data", "event", ".", "a", "/", "\n", '"', "+", "#"]
)
nearly = st.lists(pieces | st.text(max_size=2), max_size=12).map("".join)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
json = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


def made(text: str) -> tuple[Template | None, InvalidFilter | None]:
    """The template, or why there is none."""
    try:
        return Template(text, OF_A_SIGNAL), None
    except InvalidFilter as refused:
        return None, refused


@given(nearly)
def test_nearly_a_template(text: str) -> None:
    one, refused = made(text)
    if refused is not None:
        lines = text.split("\n")
        assert 1 <= refused.line <= len(lines)
        assert 1 <= refused.column <= len(lines[refused.line - 1]) + 1
    elif one is not None and not one.references:
        assert one.render({}) == text.replace("$$", "$")


@given(json, json)
def test_a_document_has_the_value_in_its_place(around: object, value: object) -> None:
    text = orjson.dumps([around, "${data}", "<${data}>"]).decode().replace("$$", "")
    if text.count("$") > 2:
        return
    found = orjson.loads(JsonTemplate(text, OF_A_SIGNAL).render({"data": value}))
    shown = value if isinstance(value, str) else orjson.dumps(value).decode()
    assert found == [around, value, f"<{'' if value is None else shown}>"]


@given(st.lists(st.text("ab+", max_size=2), min_size=1, max_size=5))
def test_a_pattern_of_plain_levels_matches_itself_alone(levels: list[str]) -> None:
    text = "/".join(levels)
    if not text or "+" in text:
        return
    pattern = PathPattern(text)
    assert pattern.match(text) == {}
    assert pattern.match(text + "/a") is None
    named = PathPattern("/".join(f"{{n{place}}}" for place in range(len(levels))))
    found = named.match(text)
    assert found is not None
    assert list(found.values()) == levels


@given(derivations)
def test_settings_come_back_from_their_map(settings: Settings) -> None:
    assert (
        derivation_from_map(orjson.loads(orjson.dumps(derivation_as_map(settings)))) == settings
    )
