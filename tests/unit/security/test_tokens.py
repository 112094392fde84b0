"""Which tokens are taken, for what, and until when."""

import base64
import hashlib
import hmac
from urllib.parse import quote_plus

import jwt
import pytest

from peeklock.errors import Unauthorized
from peeklock.security.principal import Principal
from peeklock.security.rights import Right
from peeklock.security.token_claims import Claim, TokenClaims
from peeklock.security.tokens import AccessKey, JwtKey, Tokens, looks_like_token, path_of
from peeklock.types import UnixMs

NOW = UnixMs(1_700_000_000_000)
LATER_S = 1_700_000_060
KEY = "a-key-of-at-least-sixteen"
SECRET = "a-secret-of-at-least-thirty-two-bytes"
SEND_ONLY = frozenset({Right.SEND})


def signed(uri: str, *, key: str = KEY, name: str = "root", expiry: object = LATER_S) -> str:
    encoded = quote_plus(uri)
    mac = hmac.new(key.encode(), f"{encoded}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = quote_plus(base64.b64encode(mac).decode())
    return f"SharedAccessSignature sr={encoded}&sig={signature}&se={expiry}&skn={name}"


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(
        [AccessKey("root", KEY), AccessKey("shop", KEY, SEND_ONLY, "orders")],
        JwtKey(SECRET, audience="peeklock"),
    )


class TestHolders:
    """By whose name sessions are kept: alike for the next token, unlike for who may do more."""

    def test_of_signatures(self, tokens: Tokens) -> None:
        one = tokens.read(signed("sb://host/orders"), NOW)
        later = tokens.read(signed("sb://other/Orders", expiry=LATER_S + 60), NOW)
        assert one.holder == later.holder == "key:root@orders"
        assert tokens.read(signed("sb://host/"), NOW).holder == "key:root@"
        shop = tokens.read(signed("sb://host/", name="shop"), NOW)
        assert (shop.holder, shop.claim.path) == ("key:shop@orders", "orders")

    def test_of_web_tokens(self, tokens: Tokens) -> None:
        def holder(**claims: object) -> str:
            given = {"exp": LATER_S, "aud": "peeklock", "rights": ["send"], **claims}
            return tokens.read(jwt.encode(given, SECRET), NOW).holder

        assert (
            holder(sub="device-7") == holder(sub="device-7", exp=LATER_S + 1) == "jwt:device-7"
        )
        assert holder(entity="Orders") == "jwt:send@orders"
        assert holder(rights=["listen", "send"]) == "jwt:send,listen@"

    @pytest.mark.parametrize("subject", ["x" * 513, "a\0b", "a\ud800", "a\nb"], ids=ascii)
    def test_those_that_are_no_names(self, tokens: Tokens, subject: str) -> None:
        given = {"exp": LATER_S, "aud": "peeklock", "sub": subject}
        with pytest.raises(Unauthorized, match="no name"):
            tokens.read(jwt.encode(given, SECRET), NOW)
        entity = {"exp": LATER_S, "aud": "peeklock", "entity": subject}
        with pytest.raises(Unauthorized, match="no name"):
            tokens.read(jwt.encode(entity, SECRET), NOW)

    def test_one_that_has_expired(self, tokens: Tokens) -> None:
        with pytest.raises(Unauthorized, match="expired"):
            tokens.read(signed("sb://host/orders"), UnixMs(LATER_S * 1000))


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (signed("sb://host/"), True),
        (jwt.encode({"exp": 1}, SECRET), True),
        ("eyJ.a.", True),
        ("eyJ.a", False),
        ("eyJ.a.b.c", False),
        ("a.b.c", False),
        ("", False),
        ("eyJ.a.b\n", False),
        ("eyJ.\u00e9.b", False),
    ],
)
def test_what_is_meant_as_a_token(text: str, is_one: bool) -> None:
    assert looks_like_token(text) is is_one


class TestSignatures:
    def test_for_an_entity(self, tokens: Tokens) -> None:
        claim = tokens.claim(signed("sb://host/orders"), "sb://host:5672/Orders", NOW)
        assert claim == Claim("orders", frozenset(Right), UnixMs(LATER_S * 1000))

    def test_for_all_of_it(self, tokens: Tokens) -> None:
        assert tokens.claim(signed("sb://host/"), "sb://host/orders", NOW).path == "orders"

    def test_a_key_is_good_for_its_entity_only(self, tokens: Tokens) -> None:
        token = signed("sb://host/orders", name="shop")
        assert tokens.claim(token, "sb://host/orders", NOW).rights == SEND_ONLY
        token = signed("sb://host/invoices", name="shop")
        with pytest.raises(Unauthorized, match="'shop' is for 'orders'"):
            tokens.claim(token, "sb://host/invoices", NOW)
        with pytest.raises(Unauthorized, match="for 'orders', not for 'invoices'"):
            tokens.claim(signed("sb://host/", name="shop"), "sb://host/invoices", NOW)

    def test_for_another_entity(self, tokens: Tokens) -> None:
        with pytest.raises(Unauthorized, match="for 'orders', not for 'invoices'"):
            tokens.claim(signed("sb://host/orders"), "sb://host/invoices", NOW)
        with pytest.raises(Unauthorized, match="not for 'orders2'"):
            tokens.claim(signed("sb://host/orders"), "sb://host/orders2", NOW)

    @pytest.mark.parametrize(
        ("token", "why"),
        [
            (signed("sb://host/orders", key="another-key-of-sixteen"), "signature"),
            (signed("sb://host/orders", name="nobody"), "no access key"),
            (signed("sb://host/orders", expiry="soon"), "expiry"),
            (signed("sb://host/orders", expiry=1_700_000_000), "expired"),
            (signed("sb://host/orders").replace("se=1", "se=2"), "signature"),
            ("SharedAccessSignature ", "no access key"),
            ("x" * 20_000, "characters"),
        ],
    )
    def test_what_is_refused(self, tokens: Tokens, token: str, why: str) -> None:
        with pytest.raises(Unauthorized, match=why):
            tokens.claim(token, "sb://host/orders", NOW)


class TestJsonWebTokens:
    def made(self, secret: str = SECRET, **claims: object) -> str:
        given = {"exp": LATER_S, "aud": "peeklock", "rights": ["send"], "entity": "Orders"}
        return jwt.encode(given | claims, secret, "HS256")

    def test_rights_and_entity(self, tokens: Tokens) -> None:
        claim = tokens.claim(self.made(), "sb://host/orders", NOW)
        assert claim == Claim("orders", SEND_ONLY, UnixMs(LATER_S * 1000))

    @pytest.mark.parametrize(
        "claims",
        [{"aud": "other"}, {"exp": 1_600_000_000}, {"entity": "invoices"}, {"rights": "send"}],
    )
    def test_what_is_refused(self, tokens: Tokens, claims: dict[str, object]) -> None:
        with pytest.raises(Unauthorized):
            tokens.claim(self.made(**claims), "sb://host/orders", NOW)

    def test_another_secret(self, tokens: Tokens) -> None:
        with pytest.raises(Unauthorized, match="not valid"):
            tokens.claim(self.made("x" * 40), "sb://host/orders", NOW)

    def test_none_where_none_is_configured(self) -> None:
        with pytest.raises(Unauthorized):
            Tokens([]).claim(self.made(), "sb://host/orders", NOW)


def test_claims_run_out() -> None:
    claims = TokenClaims()
    principal = Principal("anonymous", frozenset(), claims)
    claims.put("sb://host/orders", Claim("orders", SEND_ONLY, UnixMs(2_000)))
    claims.put("sb://host/invoices", Claim("invoices", SEND_ONLY, UnixMs(3_000)))
    assert claims.next_expiry() == 2_000
    assert principal.has(Right.SEND, "Orders/$DeadLetterQueue")
    assert not principal.has(Right.LISTEN, "orders")
    assert not claims.lapse(UnixMs(1_999))
    assert claims.lapse(UnixMs(2_000))
    assert not principal.has(Right.SEND, "orders")
    assert principal.has(Right.SEND, "invoices")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sb://localhost:5672/Orders", "orders"),
        ("amqps://host/a/b", "a/b"),
        ("http%3a%2f%2fhost", "http://host"),
        ("orders/$management", "orders/$management"),
        ("sb://host/", ""),
        ("", ""),
    ],
)
def test_paths_of_uris(uri: str, path: str) -> None:
    assert path_of(uri) == path


@pytest.mark.parametrize("uri", ["sb://[host/orders", "//[host/orders"])
def test_an_address_that_is_none_is_refused(tokens: Tokens, uri: str) -> None:
    with pytest.raises(Unauthorized, match="Invalid IPv6 URL"):
        tokens.claim(signed("sb://host/"), uri, NOW)
    with pytest.raises(Unauthorized, match="Invalid IPv6 URL"):
        tokens.read(signed(uri), NOW)
