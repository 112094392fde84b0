"""Messages with some properties changed, and everything else as it was."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from peeklock.errors import FilterError, InvalidRequest, MessageTooLarge
from peeklock.filters.actions import Changes, sql_action
from peeklock.filters.values import Value
from peeklock.filters.view import SystemProperty
from peeklock.frontends.amqp_rewrite import rewritten, with_properties
from peeklock.frontends.amqp_view import MessageView
from peeklock.limits import AMQP_MAP_BYTES_MAX
from peeklock.message import Message
from peeklock.protocols.amqp10.primitives import encode_value
from peeklock.protocols.amqp10.sections import (
    DataBody,
    Properties,
    encode_bare,
    read_application_properties,
    read_body,
    read_properties,
    sections_of,
)
from peeklock.protocols.amqp10.values import (
    AmqpValue,
    Byte,
    Char,
    Decimal128,
    Float,
    Int,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)
from peeklock.types import UnixMs
from tests.support.fake_ids import FakeIds
from tests.support.filters import any_values, names

LABEL, TO = SystemProperty.LABEL, SystemProperty.TO


def changed(user: dict[AmqpValue, AmqpValue], changes: Changes) -> dict[AmqpValue, AmqpValue]:
    message = Message(encode_bare(None, user, DataBody([b"body"])))
    return read_application_properties(rewritten(message, changes).bare)


def setting(**values: Value) -> Changes:
    changes = Changes()
    for name, value in values.items():
        changes.set_user(name, value)
    return changes


def test_an_action_from_end_to_end() -> None:
    bare = encode_bare(
        Properties(message_id="m", subject="order", correlation_id=UUID(int=1)),
        {"color": "red", "quantity": Int(10), "priority": "high"},
        DataBody([b"one", b"two"]),
        {Symbol("footer"): 1},
    )
    message = Message(bare, b"annotations", True, 7, 5000)
    view = MessageView(message, FakeIds(), UnixMs(1))
    action = sql_action("SET quantity = quantity / 2; REMOVE priority; SET sys.To = 'x'")
    after = rewritten(message, action.apply(view))
    assert read_properties(after.bare) == Properties(
        message_id="m", to="x", subject="order", correlation_id=UUID(int=1)
    )
    user = read_application_properties(after.bare)
    assert user == {"color": "red", "quantity": 5}
    assert isinstance(user["quantity"], Int), "the type that it had"
    assert read_body(after.bare) == DataBody([b"one", b"two"])
    assert list(sections_of(after.bare))[-1] == list(sections_of(bare))[-1], "the footer"
    kept = (after.annotations, after.durable, after.priority, after.ttl_ms)
    assert kept == (b"annotations", True, 7, 5000)


class TestApplicationProperties:
    @pytest.mark.parametrize("kind", [UByte, UShort, UInt, ULong, Byte, Short, Int])
    def test_a_number_keeps_its_type_while_it_fits(self, kind: type[int]) -> None:
        found = changed({"n": kind(1)}, setting(n=100))["n"]
        assert (found, type(found)) == (100, kind)
        found = changed({"n": kind(1)}, setting(n=-(2**40)))["n"]
        assert (found, type(found)) == (-(2**40), int), "a long, where there is no room"

    @pytest.mark.parametrize(
        ("before", "value", "after"),
        [
            (Float(1.5), 2.5, Float(2.5)),
            (Symbol("a"), "b", Symbol("b")),
            (Symbol("a"), "é", "é"),
            (Char("a"), "bc", "bc"),
            ([1, 2], "x", "x"),
            (None, True, True),
            (True, None, None),
            (1, 2**63, ULong(2**63)),
            (1, UUID(int=2), UUID(int=2)),
            ("a", b"b", b"b"),
            ("a", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), Timestamp(1000)),
        ],
    )
    def test_types(self, before: AmqpValue, value: Value, after: AmqpValue) -> None:
        found = changed({"p": before}, setting(p=value))["p"]
        assert found == after
        assert type(found) is type(after)

    def test_decimals_and_durations_are_seen_as_they_were_set(self) -> None:
        changes = setting(d=Decimal("-2.50"), s=timedelta(seconds=5, microseconds=3))
        message = rewritten(Message(b""), changes)
        assert isinstance(read_application_properties(message.bare)["d"], Decimal128)
        view = MessageView(message, FakeIds(), UnixMs(1))
        assert str(view.user("d")) == "-2.50"
        assert view.user("s") == timedelta(seconds=5, microseconds=3)

    def test_what_amqp_cannot_say_is_an_error_of_the_message(self) -> None:
        for value in (2**64, -(2**63) - 1, timedelta.max):
            with pytest.raises(FilterError, match="more than AMQP's numbers"):
                changed({}, setting(a=value))

    def test_names_keep_their_spelling(self) -> None:
        assert changed({"Color": "red"}, setting(COLOR="blue")) == {"Color": "blue"}
        assert changed({"a": 1}, setting(Color="blue")) == {"a": 1, "Color": "blue"}

    def test_of_names_that_differ_in_case_the_seen_one_is_set(self) -> None:
        assert changed({"A": 1, "a": 2}, setting(a=5)) == {"A": 1, "a": 5}
        assert changed({"Aa": 1, "aA": 2}, setting(aa=5)) == {"Aa": 5, "aA": 2}

    def test_all_of_them_are_removed(self) -> None:
        changes = Changes()
        changes.remove_user("aa")
        assert changed({"Aa": 1, "aA": 2, "b": 3}, changes) == {"b": 3}

    def test_the_section_goes_with_the_last_of_them(self) -> None:
        changes = Changes()
        changes.remove_user("a")
        before = Message(encode_bare(None, {"a": 1}, DataBody([b"x"])))
        assert rewritten(before, changes).bare == encode_bare(None, None, DataBody([b"x"]))

    def test_untouched_entries_stay_the_bytes_that_they_were(self) -> None:
        """A long in its full width, a key that is a symbol, a string with a wide size."""
        wide = bytes.fromhex("a10161 81 0000000000000005 a30162 b1 00000001 78")
        section = b"\x00\x53\x74\xc1" + bytes([len(wide) + 1, 4]) + wide
        after = rewritten(Message(section + b"\x00\x53\x77\x40"), setting(z=1)).bare
        assert wide in after
        assert after.endswith(b"\x00\x53\x77\x40")

    def test_a_map_grows_beyond_its_short_form(self) -> None:
        many = setting(**{f"name{number}": "x" * 50 for number in range(200)})
        assert len(changed({"a": 1}, many)) == 201


class TestOwnProperties:
    def test_fields_are_set_and_unset(self) -> None:
        changes = Changes()
        changes.set_system(TO, "q")
        changes.set_system(LABEL, None)
        changes.set_system(SystemProperty.REPLY_TO_SESSION_ID, "t")
        changes.set_system(SystemProperty.CONTENT_TYPE, "text/plain")
        before = Message(encode_bare(Properties(message_id=ULong(1), subject="s")))
        found = read_properties(rewritten(before, changes).bare)
        assert found == Properties(
            message_id=ULong(1), to="q", reply_to_group_id="t", content_type="text/plain"
        )
        assert isinstance(found.content_type, Symbol)

    def test_a_section_comes_and_goes(self) -> None:
        setting_to, unsetting = Changes(), Changes()
        setting_to.set_system(TO, "q")
        unsetting.set_system(TO, None)
        bare = encode_bare(None, {"a": 1}, DataBody([b"x"]))
        there = rewritten(Message(bare), setting_to)
        assert read_properties(there.bare) == Properties(to="q")
        assert rewritten(there, unsetting).bare == bare

    def test_a_content_type_is_ascii(self) -> None:
        changes = Changes()
        changes.set_system(SystemProperty.CONTENT_TYPE, "é")
        with pytest.raises(FilterError, match="ASCII"):
            rewritten(Message(b""), changes)


@given(st.binary(max_size=60))
def test_properties_that_cannot_be_read_cannot_be_changed(noise: bytes) -> None:
    changes = setting(a=1, b="x")
    changes.remove_user("c")
    changes.set_system(TO, "q")
    for prefix in (b"\x00\x53\x73", b"\x00\x53\x74", b"\x00\x53\x74\xc1", b""):
        try:
            rewritten(Message(prefix + noise), changes)
        except FilterError:
            pass


@given(
    st.dictionaries(names(), st.integers(-9, 9) | st.text(max_size=3), max_size=5),
    st.dictionaries(names(), any_values, max_size=5),
)
def test_what_was_set_is_what_is_seen(
    user: dict[AmqpValue, AmqpValue], wanted: dict[str, Value]
) -> None:
    changes = setting(**wanted)
    longest = timedelta(microseconds=2**63 // 10)  # .NET's
    spans = [value for value in wanted.values() if isinstance(value, timedelta)]
    assume(all(abs(span.days) < longest.days for span in spans))
    message = rewritten(Message(encode_bare(None, user, DataBody([b"x"]))), changes)
    view = MessageView(message, FakeIds(), UnixMs(1))
    for change in changes.user.values():
        found = view.user_any_case(change.name)
        if isinstance(change.value, (datetime, Decimal)):
            continue  # rounded to milliseconds, and to 34 digits
        assert found == change.value or change.value != change.value
    for name, value in user.items():
        if isinstance(name, str) and name.lower() not in changes.user:
            assert view.user(name) == value
    assert encode_value(b"x") in message.bare


class TestWithProperties:
    """What settling sets: by exact names, in exact types."""

    def test_the_rest_is_the_bytes_that_it_was(self) -> None:
        properties = Properties(message_id="m")
        before = encode_bare(
            properties, {"a": UByte(1), "B": "x"}, DataBody([b"one"]), {Symbol("footer"): 1}
        )
        message = Message(before, b"annotations", True, 7, 5000)
        given = {"a": encode_value(Int(5)), "b": encode_value(None)}
        after = with_properties(message, given)
        assert after.bare == encode_bare(
            properties,
            {"a": Int(5), "B": "x", "b": None},
            DataBody([b"one"]),
            {Symbol("footer"): 1},
        )
        assert isinstance(read_application_properties(after.bare)["a"], Int)
        assert (after.annotations, after.durable) == (b"annotations", True)
        assert (after.priority, after.ttl_ms) == (7, 5000)

    @pytest.mark.parametrize(
        "bare", [b"", encode_bare(None, None, DataBody([b"x"])), encode_bare(None, {}, None)]
    )
    def test_a_message_without_any_gets_some(self, bare: bytes) -> None:
        after = with_properties(Message(bare), {"a": encode_value("b")})
        assert read_application_properties(after.bare) == {"a": "b"}
        assert after.bare.endswith(b"x") == bare.endswith(b"x")

    def test_no_more_than_a_sender_may_have(self) -> None:
        given = {"a": encode_value("x" * AMQP_MAP_BYTES_MAX)}
        with pytest.raises(MessageTooLarge, match="up to 65536"):
            with_properties(Message(b""), given)

    @pytest.mark.parametrize(
        "noise", [b"noise", b"\x00\x53\x74\x40", b"\x00\x53\x74\xc1\x02\x01\x40"]
    )
    def test_what_cannot_be_read_is_refused(self, noise: bytes) -> None:
        with pytest.raises(InvalidRequest, match="cannot be changed"):
            with_properties(Message(noise), {"a": encode_value("b")})
