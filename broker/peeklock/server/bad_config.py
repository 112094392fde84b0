"""The one error of a configuration."""


class BadConfig(Exception):
    """The configuration cannot be used; says what is wrong, a line for each mistake."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes
