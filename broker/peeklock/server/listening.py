"""What all listeners say of themselves, and of why they cannot listen."""

import asyncio
import os


def address_of(listener: asyncio.Server) -> str:
    """HOST:PORT."""
    host, port = listener.sockets[0].getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


def reason_of(error: OSError) -> str:
    """The event loop's text repeats the address; a name that is none has no such number."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)
