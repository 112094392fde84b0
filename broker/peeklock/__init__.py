"""peeklock: a queue-based pub/sub job broker."""
