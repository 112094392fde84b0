"""Writes service-bus.md: what is the same, differs, or is missing compared with Azure.

Most of it is said by the tests that run Azure's own SDKs (tests/interop/test_azure_*.py), in
their marks `shows`, `differs` and `lacks`; they are read here, not run. What no such test can
show is listed at the end of this file, one line each.
"""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from docs.reference.markdown import MADE, table

ROOT: Final = Path(__file__).parents[2]
INTEROP: Final = ROOT / "tests/interop"
MARKS: Final = ("shows", "differs", "lacks")
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
SDKS: Final = ("Python", "asyncio", "JavaScript")
AREAS: Final = {  # by the word that marks have for each
    "sending": "Sending",
    "receiving": "Receiving",
    "settling": "Settling",
    "locks": "Locks",
    "dead letters": "Dead letters and expiry",
    "later": "Deferring and scheduling",
    "sessions": "Sessions",
    "duplicates": "Duplicate detection",
    "topics": "Topics and rules",
    "forwarding": "Forwarding",
    "transactions": "Transactions",
    "refusals": "Refusals",
    "access": "Keys and tokens",
    "administration": "Administration",
    "running": "Running it",
}


def service_bus_page() -> str:
    tests = interop_tests()
    marks = [mark for test in tests for mark in test.marks]
    marks += [*listed("differs", DIFFERS, 1), *listed("lacks", MISSING, 2)]
    unknown = {mark.area for mark in marks} - set(AREAS)
    assert not unknown, f"no areas: {unknown}; there are {', '.join(AREAS)}"
    by_area = {area: [mark for mark in marks if mark.area == area] for area in AREAS}
    text = intro() + "\n## Overview\n\n" + overview(by_area)
    for area, found in by_area.items():
        text += f"\n## {AREAS[area]}\n" + section(found)
    files = dict.fromkeys(test.file for test in tests)
    return text + "\n" + "".join(f"[{f.stem}]: ../../{f.relative_to(ROOT)}\n" for f in files)


# ---- what the tests say


@dataclass(frozen=True)
class Mark:
    """One mark of one test, or one line of the lists below, which no test shows."""

    kind: str  # of MARKS
    area: str
    texts: tuple[str, ...]
    test: "InteropTest | None"


@dataclass(frozen=True)
class InteropTest:
    """A test that runs one of Azure's SDKs."""

    file: Path
    name: str
    sdk: str
    decorators: tuple[ast.expr, ...]

    @property
    def marks(self) -> list[Mark]:
        found = []
        for one in self.decorators:
            kind = ast.unparse(one.func) if isinstance(one, ast.Call) else ""
            kind = kind.removeprefix("pytest.mark.")
            if isinstance(one, ast.Call) and kind in MARKS:
                area, *texts = (str(ast.literal_eval(value)) for value in one.args)
                found.append(Mark(kind, area, tuple(texts), self))
        return found

    @property
    def link(self) -> str:
        """Its target is defined at the end of the page: paths would make the tables unreadable."""
        return f"[{self.name}][{self.file.stem}]"


def interop_tests() -> list[InteropTest]:
    """By SDK, then as they are written."""
    found = []
    for file in sorted(INTEROP.glob("test_azure_*.py")):
        for node in functions(ast.parse(file.read_text())):
            if node.name.startswith("test_"):
                decorators = tuple(node.decorator_list)
                found.append(InteropTest(file, node.name, sdk_of(file, node), decorators))
    return sorted(found, key=lambda test: SDKS.index(test.sdk))


def functions(tree: ast.Module | ast.ClassDef) -> Iterator[Function]:
    """Of a module and its classes, in their order."""
    for node in tree.body:
        if isinstance(node, Function):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node)


def sdk_of(file: Path, node: Function) -> str:
    """The two in Python are told apart by how a test has to be written for them."""
    if "javascript" in file.name:
        return "JavaScript"
    return "asyncio" if isinstance(node, ast.AsyncFunctionDef) else "Python"


def listed(kind: str, lines: str, texts: int) -> Iterator[Mark]:
    """Lines of `area: text`, or of `area: feature | what happens instead`."""
    for line in lines.strip().splitlines():
        area, _colon, rest = line.partition(": ")
        parts = tuple(part.strip() for part in rest.split(" | "))
        assert len(parts) == texts, f"{texts} parts, with | between them: {line}"
        yield Mark(kind, area, parts, None)


# ---- the page


def intro() -> str:
    versions = re.search(r'"azure-servicebus==([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert versions, "pyproject.toml pins azure-servicebus"
    package = json.loads((INTEROP / "node/package.json").read_text())
    javascript = package["dependencies"]["@azure/service-bus"]
    return f"""# Compared with Azure Service Bus

{MADE}
What is the same, what differs, and what is missing. [How to use the SDKs](../howto/service-bus-sdk.md) is
a page of its own.

**The same** is what our tests do with Azure's own SDKs, unmodified, against a running broker: Python's
`azure-servicebus` {versions[1]} (plain and on asyncio) and JavaScript's `@azure/service-bus` {javascript}. The
tables name the tests. An empty cell says that no test does it with that SDK, not that it fails: all of
them speak the same protocol.

**Differs** is what works otherwise here, on purpose. **Missing** is what Azure has and this broker has
not, with what happens when it is asked for.

**Not tried** are the SDKs for .NET, Java and Go, the one for Python over `uamqp`, and Python's
administration client on asyncio.
"""


def overview(by_area: dict[str, list[Mark]]) -> str:
    rows = []
    for area, marks in by_area.items():
        title = AREAS[area]
        anchor = title.lower().replace(" ", "-")
        rows.append((f"[{title}](#{anchor})", *(counted(kind, marks) for kind in MARKS)))
    return table(("area", "the same", "differs", "missing"), rows)


def counted(kind: str, marks: list[Mark]) -> str:
    found = [mark for mark in marks if mark.kind == kind]
    count = len(features_of(found)) if kind == "shows" else len(found)
    return str(count) if count else ""


def features_of(marks: list[Mark]) -> dict[str, list[InteropTest]]:
    """Each feature, in the order in which tests first show it, and all that do."""
    found: dict[str, list[InteropTest]] = {}
    for mark in marks:
        for feature in mark.texts if mark.kind == "shows" else ():
            assert mark.test is not None
            found.setdefault(feature, []).append(mark.test)
    return found


def section(marks: list[Mark]) -> str:
    text = ""
    rows = [feature_row(*item) for item in features_of(marks).items()]
    if rows:
        text += "\n" + table(("the same", *SDKS, "tests"), rows)
    differing = [mark for mark in marks if mark.kind == "differs"]
    if differing:
        text += "\nDiffers:\n\n" + "".join(
            f"- {mark.texts[0]}{shown_by(mark)}\n" for mark in differing
        )
    missing = [mark for mark in marks if mark.kind == "lacks"]
    if missing:
        rows = [(mark.texts[0], mark.texts[1] + shown_by(mark)) for mark in missing]
        text += "\n" + table(("missing", "instead"), rows)
    return text


def feature_row(feature: str, tests: list[InteropTest]) -> tuple[str, ...]:
    proved = {test.sdk for test in tests}
    links = dict.fromkeys(test.link for test in tests)
    return (feature, *("yes" if sdk in proved else "" for sdk in SDKS), ", ".join(links))


def shown_by(mark: Mark) -> str:
    return f" ({mark.test.link})" if mark.test is not None else ""


# ---- what no test with an SDK shows

DIFFERS: Final = """
topics: When one subscription has no room, the message is refused for all of them, and that subscription named.
topics: Where Azure does not say what a filter means, [we chose](../FILTERS.md).
transactions: They are AMQP's own, which the two SDKs do not use; [Qpid Proton's tests](../../tests/interop/test_proton_transactions.py) show them.
transactions: One may send to and settle on any number of queues and topics, in up to 1,000 steps and 64 MiB; in Azure one entity, or others by way of it, and 100 messages. Both have two minutes.
refusals: Service Bus' own conditions where AMQP has a word, too (`com.microsoft:argument-error` for `amqp:invalid-field`, `amqp:not-found` for `amqp:resource-deleted`) are for Azure's SDKs, known by the `user-agent` of their open, and for its operations over `$management`. Other AMQP clients hear AMQP's.
topics: A rule manager (over AMQP) is told a SQL filter's text without its parameters: its protocol has no place for them.
topics: Whole numbers of correlation filters are told as `int` where they fit. JavaScript's client can neither write nor read a `long` or a duration, and fails on rules that have one.
administration: `IsAnonymousAccessible` and `FilteringMessagesBeforePublishing` are refused if they are true: to keep them would promise what does not happen.
administration: The clocks of `AutoDeleteOnIdle` start anew when the broker does.
running: What is stored survives a restart, unless `--ephemeral` is given; Azure's emulator forgets it.
"""

MISSING: Final = """
access: tokens of Microsoft Entra ID, whose keys change and have to be looked up | Only tokens that the one key under `[jwt]` has signed: `ServiceBusAuthenticationError`.
running: several namespaces | A `Config.json` with more than one is refused at start.
running: several brokers as one: zones, geo-replication, partitions | One broker with its disk.
"""
