"""Users in the configuration: what is known of their passwords, and what they may do."""

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator

from peeklock.security.authenticators import User
from peeklock.security.rights import Right
from peeklock.security.saslprep import saslprep
from peeklock.security.scram import parse_verifier


class UserConfig(BaseModel):
    """One user. `password_hash` comes from `peeklock serve --hash-password`, `scram_verifier`
    from `peeklock serve --scram-verifier`.

    Without either the user comes by a client certificate only, whose common name is `name`.
    """

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: str
    """By which the user logs in."""
    password_hash: str = ""
    """Of the password, as `peeklock serve --hash-password` prints it; for all but SCRAM."""
    scram_verifier: str = ""
    """Of the password, as `peeklock serve --scram-verifier` prints it; for SCRAM-SHA-256."""
    rights: list[Literal["send", "listen", "manage"]] = ["send", "listen", "manage"]
    """What the user may do."""

    @field_validator("password_hash")
    @classmethod
    def is_a_hash(cls, value: str) -> str:
        if value and not re.fullmatch(r"\$argon2(id|i|d)\$.+\$.+", value):
            raise ValueError("no hash as `peeklock serve --hash-password` makes it")
        return value

    @field_validator("scram_verifier")
    @classmethod
    def is_a_verifier(cls, value: str) -> str:
        if value:
            try:
                parse_verifier(value)
            except ValueError as error:
                what = "no verifier as `peeklock serve --scram-verifier` makes it"
                raise ValueError(f"{what}: {error}") from None
        return value

    def user(self) -> User:
        """As the authenticator knows it."""
        verifier = parse_verifier(self.scram_verifier) if self.scram_verifier else None
        rights = frozenset(Right(right) for right in self.rights)
        return User(self.name, self.password_hash, rights, verifier)

    def mistakes(self, *, by_certificate: bool) -> Iterator[str]:
        """`by_certificate`: whoever has a certificate needs no password."""
        if not (self.password_hash or self.scram_verifier or by_certificate):
            yield (
                f"configuration: user {self.name!r} has no password_hash and no scram_verifier,"
                " and without tls_client_ca there is no other way in"
            )
        if self.scram_verifier and not is_prepared(self.name):
            yield (
                f"configuration: user {self.name!r}: SCRAM clients cannot write this name as it"
                " is (RFC 4013)"
            )


def is_prepared(name: str) -> bool:
    """Is it as clients that prepare names (RFC 5802 §5.1) write it?"""
    try:
        return saslprep(name, is_stored=True) == name != ""
    except ValueError:
        return False
