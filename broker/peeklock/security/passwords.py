"""Passwords as hashes (argon2id), and the check that takes its time on purpose.

argon2 is loaded by the first password that comes: it is a megabyte, and many a broker never
sees one.
"""


def hash_password(password: str) -> str:
    from argon2 import PasswordHasher

    return PasswordHasher().hash(password)


def is_password(hashed: str, password: str) -> bool:
    """Some tens of milliseconds: call it off the event loop."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return PasswordHasher().verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
