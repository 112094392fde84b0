"""Passwords as hashes (argon2id), and the check that takes its time on purpose."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

HASHER = PasswordHasher()


def hash_password(password: str) -> str:
    return HASHER.hash(password)


def is_password(hashed: str, password: str) -> bool:
    """Some tens of milliseconds: call it off the event loop."""
    try:
        return HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
