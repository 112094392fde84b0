"""No assertion is without its test."""

import ast
import re
from pathlib import Path

COUNTS = {"core": 12, "http": 19, "amqp": 16, "mqtt": 13, "json": 10, "pb": 2, "av": 1, "xc": 9}
WANTED = {f"{area}_{n:02}" for area, count in COUNTS.items() for n in range(1, count + 1)}


def test_each_assertion_has_its_test() -> None:
    found: list[str] = []
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                numbered = re.match(r"test_([a-z]+_[0-9]{2})_", node.name)
                found += [numbered.group(1)] if numbered else []
    assert len(WANTED) == 82
    assert sorted(found) == sorted(WANTED)
