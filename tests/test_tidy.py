"""Taste that linters lack."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path
    for top in ("broker/peeklock", "clients/peeklock_client")
    for path in (ROOT / top).rglob("*.py")
)
CORE = [
    path
    for path in SOURCES
    if path.is_relative_to(ROOT / "broker") and path.parent.name not in ("server", "security")
]
# What setup.py compiles, nearly.
COMPILED = [path for path in CORE if path.parent.name != "http" and path.name != "parser.py"]
CORE_TESTS = sorted(p for t in ("unit", "property") for p in (ROOT / "tests" / t).rglob("*.py"))
FUNCTION_LINES_MAX = 60
ANYWHERE = {
    r"(?m)\bexcept Exception\b[^#\n]*$": "the exceptions this can meet, or why it may be any",
    r"\b(TODO|FIXME|XXX|HACK)\b": "an issue",
    r"# type: ignore(?!\[)": "an ignore that says what",
}
IN_THE_CORE = {
    r"\btime\.(time|monotonic)\b": "the `now` that was passed in",
    r"\bdatetime\.now\(": "the `now` that was passed in",
    r"\brandom\.|\bsecrets\.|\buuid4\(": "the ids that were passed in",
    r"\bprint\(": "an effect or a log event",
}
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "base", "misc"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def statement_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of what it does. A command's options and examples are a table, not logic."""
    first = function.body[1 if ast.get_docstring(function) and function.body[1:] else 0]
    return (function.end_lineno or 0) - first.lineno + 1


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_functions_fit_on_a_screen(path: Path) -> None:
    long = {f.name: statement_lines(f) for f in functions(path)}
    assert {name: n for name, n in long.items() if n > FUNCTION_LINES_MAX} == {}


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_nothing_banned(path: Path) -> None:
    text = path.read_text()
    banned = ANYWHERE | (IN_THE_CORE if path in CORE else {})
    assert {better for bad, better in banned.items() if re.search(bad, text)} == set()


@pytest.mark.parametrize("path", COMPILED, ids=named)
def test_a_name_catches_one_kind_of_exception(path: Path) -> None:
    """In one function: mypyc gives it the first one's type, and fails on others when run."""
    for function in functions(path):
        kinds: dict[str, str] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.ExceptHandler) and node.name and node.type:
                kind = ast.unparse(node.type)
                assert kinds.setdefault(node.name, kind) == kind, function.name


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_modules_say_what_they_are(path: Path) -> None:
    assert path.stem not in FORBIDDEN_NAMES
    assert ast.get_docstring(ast.parse(path.read_text())), "a docstring"


@pytest.mark.parametrize("path", CORE_TESTS, ids=named)
def test_the_core_is_tested_without_sleeping(path: Path) -> None:
    assert "sleep(" not in path.read_text()


# Raw-frame cases of AMQP's own rules; those of what stands on them have words of their own.
AMQP_CASES = (
    *("connection", "flow", "hostile", "link", "link_life", "login", "odd_values", "session"),
    *("settlement", "sizes", "transfer"),
)


@pytest.mark.parametrize("part", AMQP_CASES)
def test_each_case_of_amqp_names_its_section(part: str) -> None:
    """In its own words or its class's; where no specification rules, the design does."""
    tree = ast.parse((ROOT / f"tests/wire/test_amqp_{part}.py").read_text())
    unnamed = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.Module):
            above = "" if isinstance(node, ast.Module) else ast.get_docstring(node) or ""
            for case in node.body:
                if isinstance(case, ast.FunctionDef) and case.name.startswith("test_"):
                    if not re.search(r"§|design:|limits:", ast.unparse(case) + above):
                        unnamed.append(case.name)
    assert unnamed == []


def test_every_limit_has_a_sentence() -> None:
    lines = (ROOT / "broker/peeklock/limits.py").read_text().splitlines()
    bare = []
    for place, line in enumerate(lines):
        if re.match(r"[A-Z_]+: Final", line) and not line.startswith(("KIB", "MIB", "GIB")):
            above = lines[place - 1]
            if "#" not in line and not above.startswith("#") and ": Final" not in above:
                bare.append(line)
    assert bare == []


def test_every_refusal_has_a_word_on_the_wire() -> None:
    from peeklock import errors
    from peeklock.frontends.errors_on_the_wire import ON_THE_WIRE

    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.BrokerError)
        and kind is not errors.BrokerError
    }
    assert kinds == set(ON_THE_WIRE)
