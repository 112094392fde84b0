"""The client's side of SCRAM-SHA-256 (RFC 5802 §3), which shares no code with the broker."""

import base64
import hashlib
import hmac


def b64(data: bytes) -> bytes:
    return base64.b64encode(data)


def fields(message: bytes) -> dict[bytes, bytes]:
    return {part[:1]: part[2:] for part in message.split(b",")}


class ScramClient:
    """One dialogue. What it says may be changed by whoever wants to be wrong on purpose."""

    def __init__(
        self,
        name: bytes,
        password: bytes,
        *,
        nonce: bytes = b"rOprNGfwEbeRWgbNEkqO",
        header: bytes = b"n,,",
    ) -> None:
        self._password = password
        self._nonce = nonce
        self._header = header
        self._bare = b"n=" + name + b",r=" + nonce
        self._expected = b""

    @property
    def first(self) -> bytes:
        return self._header + self._bare

    def final(self, challenge: bytes) -> bytes:
        """The answer to the server's first message."""
        said = fields(challenge)
        assert said[b"r"].startswith(self._nonce), challenge
        salt = base64.b64decode(said[b"s"], validate=True)
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, int(said[b"i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = b"c=" + b64(self._header) + b",r=" + said[b"r"]
        text = self._bare + b"," + challenge + b"," + without_proof
        signature = hmac.digest(hashlib.sha256(client_key).digest(), text, "sha256")
        proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self._expected = b"v=" + b64(hmac.digest(server_key, text, "sha256"))
        return without_proof + b",p=" + b64(proof)

    def check(self, verdict: bytes | None) -> None:
        """The server knows the password, too."""
        assert verdict == self._expected != b""
