"""SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side: no password is sent or stored.

    client → n,,n=USER,r=CLIENT-NONCE
    server → r=CLIENT-NONCE SERVER-NONCE,s=SALT,i=ITERATIONS
    client → c=biws,r=…,p=PROOF
    server → v=SIGNATURE

Channel binding is not offered: no -PLUS mechanism is. A client that could have used it and saw
that (`y`) goes on without; one that insists (`p=…`) is refused.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final, TypeAlias

from peeklock.limits import (
    SCRAM_ITERATIONS_MAX,
    SCRAM_ITERATIONS_MIN,
    SCRAM_MESSAGE_BYTES_MAX,
)
from peeklock.security.saslprep import saslprep

SCRAM: Final = "SCRAM-SHA-256"
KEY_BYTES: Final = 32
SALT_BYTES_MIN: Final = 8
SALT_BYTES: Final = 16
NONCE: Final = re.compile(r"[!-+\--~]+")  # printable, and no comma
# RFC 5802 §7: `=` is written =3D in a name, a comma =2C, and nothing else begins with it.
NAME: Final = re.compile(r"(?:[^=,\0]|=2C|=3D)+")
GS2_FLAG: Final = re.compile(r"[ny]|p=[A-Za-z0-9.\-]+")
EXTENSION: Final = re.compile(r"[A-Za-z]=[^\0,]+")


class ScramRefused(Exception):
    """The dialogue ends; `error` is the `server-error-value` of RFC 5802 §7."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class Verifier:
    """What a server knows of a password: enough to check a proof, too little to make one."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes

    def __str__(self) -> str:
        """As RFC 5803 writes it."""
        keys = f"{encoded(self.stored_key)}:{encoded(self.server_key)}"
        return f"{SCRAM}${self.iterations}:{encoded(self.salt)}${keys}"


@dataclass(frozen=True)
class Proved:
    """The client knows the password; `signature` is for it to see that we know it, too."""

    name: str
    signature: bytes


# Yields what is to be sent to the client, is sent its answer, returns what that proves.
Dialogue: TypeAlias = Generator[bytes, bytes, Proved]
# Of a name as it was prepared. For a name that nobody has there is one, too.
FindVerifier: TypeAlias = Callable[[str], Verifier]


@dataclass(frozen=True)
class ClientFirst:
    """`gs2-header client-first-message-bare`"""

    gs2_header: str
    bare: str
    name: str
    nonce: str


@dataclass(frozen=True)
class ClientFinal:
    """`client-final-message-without-proof "," proof`"""

    without_proof: str
    binding: bytes
    nonce: str
    proof: bytes


# ---- verifiers


def make_verifier(password: str, salt: bytes, iterations: int) -> Verifier:
    """RFC 5802 §3; raises `ValueError` for a password that SASLprep does not allow."""
    prepared = saslprep(password, is_stored=True)
    if not prepared:
        raise ValueError("it is empty")
    salted = hashlib.pbkdf2_hmac("sha256", prepared.encode(), salt, iterations)
    client_key = keyed(salted, b"Client Key")
    return Verifier(
        salt, iterations, hashlib.sha256(client_key).digest(), keyed(salted, b"Server Key")
    )


def parse_verifier(text: str) -> Verifier:
    """Back from its text; raises `ValueError`."""
    found = re.fullmatch(rf"{SCRAM}\$([0-9]{{1,9}}):([^$:]+)\$([^$:]+):([^$:]+)", text)
    if found is None:
        raise ValueError(f"it is written {SCRAM}$ITERATIONS:SALT$STOREDKEY:SERVERKEY")
    iterations = int(found[1])
    salt, stored_key, server_key = (decoded(part) for part in found.groups()[1:])
    if not SCRAM_ITERATIONS_MIN <= iterations <= SCRAM_ITERATIONS_MAX:
        allowed = f"{SCRAM_ITERATIONS_MIN} to {SCRAM_ITERATIONS_MAX}"
        raise ValueError(f"{iterations} iterations; allowed are {allowed}")
    if len(salt) < SALT_BYTES_MIN or {len(stored_key), len(server_key)} != {KEY_BYTES}:
        raise ValueError(f"a salt has {SALT_BYTES_MIN} bytes or more, a key has {KEY_BYTES}")
    return Verifier(salt, iterations, stored_key, server_key)


def made_up_verifier(secret: bytes, name: str, like: Verifier) -> Verifier:
    """For a name that has none: always the same, and nobody knows a password for it.

    What a client is told of it looks as it does for `like`, which may come from elsewhere.
    """

    def derived(what: bytes) -> bytes:
        return keyed(secret, what + b"\0" + name.encode())

    # One round of it: a keyed hash of any length.
    salted = b"salt\0" + name.encode()
    salt = hashlib.pbkdf2_hmac("sha256", secret, salted, 1, len(like.salt))
    return Verifier(salt, like.iterations, derived(b"stored key"), derived(b"server key"))


# ---- the dialogue


def dialogue(message: bytes, nonce: str, find: FindVerifier) -> Dialogue:
    """From the client's first message on; raises `ScramRefused`.

    `nonce` is fresh, printable, and nobody can guess it.
    """
    first = read_client_first(message)
    verifier = find(first.name)
    both = first.nonce + nonce
    server_first = f"r={both},s={encoded(verifier.salt)},i={verifier.iterations}"
    final = read_client_final((yield server_first.encode()))
    if final.binding != first.gs2_header.encode():
        raise ScramRefused("channel-bindings-dont-match")
    # The proof is looked at in any case: no other mistake is to be told by its time.
    auth_message = f"{first.bare},{server_first},{final.without_proof}".encode()
    signature = keyed(verifier.stored_key, auth_message)
    client_key = bytes(a ^ b for a, b in zip(final.proof, signature, strict=True))
    is_proved = hmac.compare_digest(hashlib.sha256(client_key).digest(), verifier.stored_key)
    if final.nonce != both or not is_proved:
        raise ScramRefused("invalid-proof")
    return Proved(
        first.name, b"v=" + encoded(keyed(verifier.server_key, auth_message)).encode()
    )


def read_client_first(message: bytes) -> ClientFirst:
    """RFC 5802 §7 `client-first-message`; raises `ScramRefused`."""
    parts = text_of(message).split(",")
    if len(parts) < 4:
        raise ScramRefused("other-error")
    flag, authzid, name, nonce, *extensions = parts
    if GS2_FLAG.fullmatch(flag) is None:
        raise ScramRefused("other-error")
    if flag.startswith("p"):
        raise ScramRefused("channel-binding-not-supported")
    if name.startswith("m="):
        raise ScramRefused("extensions-not-supported")
    if not name.startswith("n=") or not nonce.startswith("r="):
        raise ScramRefused("other-error")
    user = name_in(name[2:])
    if authzid and (not authzid.startswith("a=") or name_in(authzid[2:]) != user):
        raise ScramRefused("other-error")  # nobody may act as another
    if NONCE.fullmatch(nonce[2:]) is None:
        raise ScramRefused("other-error")
    check_extensions(extensions)
    return ClientFirst(
        f"{flag},{authzid},", ",".join((name, nonce, *extensions)), user, nonce[2:]
    )


def read_client_final(message: bytes) -> ClientFinal:
    """RFC 5802 §7 `client-final-message`; raises `ScramRefused`."""
    text = text_of(message)
    parts = text.split(",")
    if len(parts) < 3:
        raise ScramRefused("other-error")
    binding, nonce, *extensions, proof = parts
    if not (binding.startswith("c=") and nonce.startswith("r=") and proof.startswith("p=")):
        raise ScramRefused("other-error")
    check_extensions(extensions)
    try:
        found = decoded(binding[2:]), decoded(proof[2:])
    except ValueError:
        raise ScramRefused("invalid-encoding") from None
    if len(found[1]) != KEY_BYTES:
        raise ScramRefused("invalid-proof")
    return ClientFinal(text[: -len(proof) - 1], found[0], nonce[2:], found[1])


def text_of(message: bytes) -> str:
    if len(message) > SCRAM_MESSAGE_BYTES_MAX:
        raise ScramRefused("other-error")
    try:
        return message.decode()
    except UnicodeDecodeError:
        raise ScramRefused("invalid-encoding") from None


def name_in(text: str) -> str:
    """A `saslname`, prepared (RFC 5802 §5.1 `n`)."""
    if NAME.fullmatch(text) is None:
        raise ScramRefused("invalid-username-encoding")
    try:
        name = saslprep(text.replace("=2C", ",").replace("=3D", "="), is_stored=False)
    except ValueError:
        raise ScramRefused("invalid-username-encoding") from None
    if not name:
        raise ScramRefused("invalid-username-encoding")
    return name


def check_extensions(extensions: list[str]) -> None:
    """Those that nobody has to know are passed over (RFC 5802 §5.1)."""
    for one in extensions:
        if EXTENSION.fullmatch(one) is None:
            raise ScramRefused("other-error")
        if one.startswith("m="):
            raise ScramRefused("extensions-not-supported")


# ---- bytes


def keyed(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256."""
    return hmac.digest(key, data, "sha256")


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def decoded(text: str) -> bytes:
    """Raises `ValueError`, also for base64 that is not written in its one way."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("it is no base64") from None
    if encoded(data) != text:
        raise ValueError("it is no base64 in its one way")
    return data
