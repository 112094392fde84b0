"""Certificates for listeners, made by openssl when a test needs one."""

import subprocess
from pathlib import Path


def make_certificate(home: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    certificate, key = home / "tls.crt", home / "tls.key"
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    files = ("-out", str(certificate), "-keyout", str(key))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *files],
        check=True,
        capture_output=True,
    )
    return certificate, key
