"""The one error of a configuration."""


class BadConfig(Exception):
    """The configuration cannot be used; says what is wrong, in one line."""
