"""How much memory the process has, as the system counts it."""

import resource
import sys
from pathlib import Path
from typing import Final

STATM: Final = Path("/proc/self/statm")  # proc(5): size, resident, …, in pages
PAGE_BYTES: Final = resource.getpagesize()
# getrusage(2): kibibytes; on macOS bytes.
PEAK_UNIT_BYTES: Final = 1 if sys.platform == "darwin" else 1024


def process_memory() -> tuple[int, int]:
    """Bytes that are resident now, and the most so far; 0 where the system does not say."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * PEAK_UNIT_BYTES
    try:
        resident = int(STATM.read_bytes().split()[1]) * PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0, peak
    return resident, max(peak, resident)
