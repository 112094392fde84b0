"""How long a test of the client waits for a message before it calls a queue empty."""

from typing import Final

# In seconds. What is there comes in milliseconds, but on a machine with more to do than it
# can: a test that reads all there is must not take a pause of the machine's for the end.
SOON: Final = 1.0
