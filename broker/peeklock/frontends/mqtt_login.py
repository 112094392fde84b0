"""What a CONNECT says of who its sender is, as a login."""

from peeklock.protocols.mqtt.connect import Connect
from peeklock.security.authenticators import Authenticator, Login


def login_of(
    connect: Connect, certificate_name: str, authenticator: Authenticator
) -> Login | None:
    """User name and password go as SASL PLAIN (RFC 4616), a client certificate as EXTERNAL.

    None: it says nothing, and that is not enough here.
    """
    user = connect.user_name
    if user is not None:  # 5.0 allows a password alone (§3.1.2.9); that names nobody
        response = b"\0" + user.encode() + b"\0" + (connect.password or b"")
        return Login("PLAIN", response, certificate_name)
    if certificate_name and "EXTERNAL" in authenticator.mechanisms(certificate_name):
        return Login("EXTERNAL", b"", certificate_name)
    return None if authenticator.is_required else Login("ANONYMOUS", b"")
