"""TLS contexts from files, with errors that name the file."""

import ssl
from pathlib import Path

from peeklock.server.bad_config import BadConfig


def server_context(
    cert: Path | None, key: Path | None, client_ca: Path | None
) -> ssl.SSLContext | None:
    """What a listener proves itself with; None without a certificate. Raises `BadConfig`."""
    if cert is None or key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for file in (cert, key):
        try:
            file.open("rb").close()
        except OSError as error:
            raise BadConfig(f"TLS: {file}: {error.strerror}") from None
    try:
        context.load_cert_chain(cert, key, password="")
    except (OSError, ssl.SSLError) as error:
        raise BadConfig(
            f"TLS: {cert} and {key} are no certificate and its key, "
            f"as PEM without a password ({error})"
        ) from None
    if client_ca is not None:
        # Asked for, not demanded: who has none proves itself by password.
        context.verify_mode = ssl.CERT_OPTIONAL
        try:
            context.load_verify_locations(client_ca)
        except (OSError, ssl.SSLError) as error:
            raise BadConfig(f"--tls-client-ca: {error}") from None
    return context
