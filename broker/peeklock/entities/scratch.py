"""What an append that is under way has made of derivations' memory, before it is recorded."""

from typing import Final, final

from peeklock.entities.key_account import KeyAccount


@final
class Scratch:
    """Of one topic: causes of jobs, and accounts by the derivation's name and the key."""

    __slots__ = ("_accounts", "_freed", "_growth", "_next_serial", "_passed", "causes")

    def __init__(self, next_serial: int) -> None:
        self._next_serial = next_serial
        self.causes: Final[set[bytes]] = set()  # keys of signals that made jobs
        # None: closed by this append.
        self._accounts: Final[dict[tuple[str, str], KeyAccount | None]] = {}
        self._growth: Final[dict[str, int]] = {}  # keys more than before
        self._passed: Final[dict[str, int]] = {}  # of the oldest, that are looked at
        self._freed: Final[dict[str, int]] = {}  # values that are forgotten

    def serial(self) -> int:
        """The next one."""
        self._next_serial += 1
        return self._next_serial - 1

    def has(self, name: str, key: str) -> bool:
        return (name, key) in self._accounts

    def account(self, name: str, key: str) -> KeyAccount | None:
        return self._accounts[name, key]

    def keep(self, name: str, key: str, account: KeyAccount, *, is_new: bool) -> None:
        self._accounts[name, key] = account
        if is_new:
            self._growth[name] = self._growth.get(name, 0) + 1

    def drop(self, name: str, key: str, sample_count: int) -> None:
        """Its account is closed, and its values go with it."""
        self._accounts[name, key] = None
        self._growth[name] = self._growth.get(name, 0) - 1
        self._freed[name] = self.freed(name) + sample_count

    def freed(self, name: str) -> int:
        return self._freed.get(name, 0)

    def growth(self, name: str) -> int:
        return self._growth.get(name, 0)

    def passed(self, name: str) -> int:
        return self._passed.get(name, 0)

    def pass_over(self, name: str) -> None:
        self._passed[name] = self.passed(name) + 1

    def copy(self) -> "Scratch":
        """For a try that may fail. Accounts are not changed, but replaced."""
        other = Scratch(self._next_serial)
        other.causes.update(self.causes)
        other._accounts.update(self._accounts)
        other._growth.update(self._growth)
        other._passed.update(self._passed)
        other._freed.update(self._freed)
        return other
