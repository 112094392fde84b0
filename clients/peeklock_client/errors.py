"""What can go wrong, and what the caller can do."""


class PeeklockError(Exception):
    """Anything this library raises on purpose."""


class Unreachable(PeeklockError):
    """The broker cannot be reached, or went away and did not come back in time."""


class Unauthenticated(PeeklockError):
    """The broker does not let us in: wrong user or password."""


class Refused(PeeklockError):
    """The broker has refused; `condition` is AMQP's symbol for why."""

    def __init__(self, condition: str, description: str | None) -> None:
        super().__init__(f"{description or 'refused'} ({condition})")
        self.condition = condition
        self.description = description or ""


class NotFound(Refused):
    """No entity has this address."""


class QueueFull(Refused):
    """The queue or the broker's disk is full; later it may not be."""


class LockLost(Refused):
    """The job is no longer ours: its lock ran out, or the connection that held it is gone."""


class SessionLost(LockLost):
    """The message session is not ours any more, and neither is any job in it."""


class SessionInUse(Refused):
    """Somebody else has this message session."""


class TimedOut(Refused):
    """What was asked for did not happen in time: no message session became free, say."""


KINDS: dict[str, type[Refused]] = {
    "amqp:not-found": NotFound,
    "amqp:resource-limit-exceeded": QueueFull,
    "com.microsoft:message-lock-lost": LockLost,
    "com.microsoft:session-lock-lost": SessionLost,
    "com.microsoft:session-cannot-be-locked": SessionInUse,
    "com.microsoft:timeout": TimedOut,
}


def refusal(condition: str, description: str | None) -> Refused:
    """The most telling class for a condition."""
    return KINDS.get(condition, Refused)(condition, description)


class BatchRefused(PeeklockError):
    """Some messages of a batch were refused; `errors` has them by their place in it."""

    def __init__(self, errors: dict[int, Refused], count: int) -> None:
        place, first = min(errors.items(), key=lambda item: item[0])
        super().__init__(
            f"{len(errors)} of {count} messages were refused; the first, at {place}: {first}"
        )
        self.errors = errors
