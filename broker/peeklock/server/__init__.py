"""The only impure package: asyncio, sockets, files, signals. Nobody imports it."""

import sys

# structlog takes rich for its tracebacks wherever it finds it, and we must not have those: they
# show what local variables hold, passwords and messages among it. So it is not to find it here;
# that also saves the broker the 4 MiB and the time to start that rich takes.
if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # Python's word for "not to be had"
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]
