"""Instants as XML and xRegistry have them (RFC 3339)."""

from datetime import UTC, datetime


def write_instant(at: int) -> str:
    """Milliseconds since 1970 as `2026-11-25T00:41:26.5Z`."""
    whole, rest = divmod(at, 1000)
    text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:03d}Z"
