"""Tokens: shared access signatures, and JSON Web Tokens where a key for them is configured."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from peeklock.errors import Unauthorized
from peeklock.limits import TOKEN_CHARACTERS_MAX, TOKEN_HOLDER_CHARACTERS_MAX
from peeklock.security.rights import ALL_RIGHTS, Right
from peeklock.security.token_claims import Claim
from peeklock.types import UnixMs

SIGNATURE_PREFIX: Final = "SharedAccessSignature "
# Three parts in base64url, of which the first is a JSON object (RFC 7515 §7.1).
JWT: Final = re.compile(r"eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Token:
    """One that is good: what it allows, and whose it is.

    Tokens of one holder name it alike, also when the next one takes the place of the last.
    """

    claim: Claim
    holder: str


@dataclass(frozen=True)
class AccessKey:
    """A named key that signs for rights on an entity and all below it; "" is everything."""

    name: str
    key: str
    rights: frozenset[Right] = ALL_RIGHTS
    entity: str = ""


@dataclass(frozen=True)
class JwtKey:
    """How JSON Web Tokens are checked. Their claims `rights` and `entity` say what for."""

    key: str  # the shared secret, or the public key as PEM
    algorithms: tuple[str, ...] = ("HS256",)
    audience: str | None = None
    issuer: str | None = None


class Tokens:
    """Decides about tokens. Without keys it takes none."""

    def __init__(self, keys: list[AccessKey], jwt_key: JwtKey | None = None) -> None:
        self._keys: Final = {key.name: key for key in keys}
        self._jwt_key: Final = jwt_key

    @property
    def are_taken(self) -> bool:
        return bool(self._keys) or self._jwt_key is not None

    def claim(self, token: str, audience: str, now: UnixMs) -> Claim:
        """What `token` allows on `audience`, a URI or a path; raises `Unauthorized`."""
        claim = self.whole_claim(token, audience, now)
        return Claim(path_of(audience), claim.rights, claim.expires_at)

    def whole_claim(self, token: str, audience: str, now: UnixMs) -> Claim:
        """All that it allows, if that is on `audience`, too; raises `Unauthorized`."""
        claim = self._checked(token).claim
        wanted = path_of(audience)
        if not claim.covers(wanted):
            raise Unauthorized(f"the token is for {claim.path!r}, not for {wanted!r}")
        check_expiry(claim, now)
        return claim

    def read(self, token: str, now: UnixMs) -> Token:
        """All that it allows; raises `Unauthorized`."""
        found = self._checked(token)
        check_expiry(found.claim, now)
        if len(found.holder) > TOKEN_HOLDER_CHARACTERS_MAX or not found.holder.isprintable():
            most = TOKEN_HOLDER_CHARACTERS_MAX
            raise Unauthorized(f"the token's holder is no name of up to {most} characters")
        return found

    def _checked(self, token: str) -> Token:
        """Whatever time it is."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise Unauthorized(f"a token of more than {TOKEN_CHARACTERS_MAX} characters")
        if token.startswith(SIGNATURE_PREFIX):
            return self._check_signature(token.removeprefix(SIGNATURE_PREFIX))
        return self._check_jwt(token)

    def _check_signature(self, text: str) -> Token:
        """`sr=URI&sig=SIGNATURE&se=SECONDS&skn=KEY`, signed as it is written, encoded."""
        raw = dict(part.partition("=")[::2] for part in text.split("&"))
        fields = {name: values[0] for name, values in parse_qs(text).items()}
        key = self._keys.get(fields.get("skn", ""))
        expiry = fields.get("se", "")
        if key is None:
            raise Unauthorized(f"no access key is named {fields.get('skn', '')!r}")
        if not expiry.isascii() or not expiry.isdigit() or len(expiry) > 15:
            raise Unauthorized("the token's expiry (se) is no number of seconds")
        signed = f"{raw.get('sr', '')}\n{raw.get('se', '')}".encode()
        wanted = hmac.new(key.key.encode(), signed, hashlib.sha256).digest()
        # `+` is a space in a form, and a plus sign in base64.
        given = fields.get("sig", "").replace(" ", "+")
        if not hmac.compare_digest(base64.b64encode(wanted), given.encode()):
            raise Unauthorized(f"the token's signature does not fit key {key.name!r}")
        claim = Claim(path_of(fields.get("sr", "")), key.rights, UnixMs(int(expiry) * 1000))
        own = Claim(key.entity.casefold(), key.rights, claim.expires_at)
        if own.covers(claim.path):
            return Token(claim, f"key:{key.name}@{claim.path}")
        if claim.covers(own.path):  # signed for more than the key is good for
            return Token(own, f"key:{key.name}@{own.path}")
        raise Unauthorized(f"access key {key.name!r} is for {key.entity!r}")

    def _check_jwt(self, token: str) -> Token:
        key = self._jwt_key
        if key is None:
            raise Unauthorized("a token that is no shared access signature")
        import jwt  # not before one is configured and put: it loads much

        try:
            found = jwt.decode(
                token,
                key.key,
                algorithms=list(key.algorithms),
                audience=key.audience,
                issuer=key.issuer,
                # The expiry is checked by the broker's clock, as for signatures.
                options={
                    "require": ["exp"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": key.audience is not None,
                },
            )
        except jwt.PyJWTError as error:
            raise Unauthorized(f"the token is not valid: {error}") from None
        expiry = found["exp"]
        rights = found.get("rights", [])
        entity = found.get("entity", "")
        if not isinstance(rights, list) or not isinstance(entity, str):
            raise Unauthorized("the token's rights are a list, its entity is a string")
        if isinstance(expiry, bool) or not isinstance(expiry, (int, float)):
            raise Unauthorized("the token's exp is no number of seconds")
        allowed = frozenset(right for right in Right if right.value in rights)
        claim = Claim(entity.casefold(), allowed, UnixMs(int(expiry * 1000)))
        subject = found.get("sub")
        if isinstance(subject, str) and subject:
            return Token(claim, f"jwt:{subject}")
        words = ",".join(right.value for right in Right if right in allowed)
        return Token(claim, f"jwt:{words}@{claim.path}")


def check_expiry(claim: Claim, now: UnixMs) -> None:
    if claim.expires_at <= now:
        raise Unauthorized("the token has expired")


def looks_like_token(text: str) -> bool:
    """Is it meant as one? A password may look so, too."""
    return text.startswith(SIGNATURE_PREFIX) or JWT.fullmatch(text) is not None


def path_of(uri: str) -> str:
    """The entity in `sb://host:port/entity`, in lower case; "" for the namespace. Raises
    `Unauthorized` for what can be no address."""
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise Unauthorized(f"a token is for an address, not for {uri!r:.80}: {error}") from None
    path = parts.path if parts.scheme and "://" in uri else uri
    return unquote(path).strip("/").casefold()
