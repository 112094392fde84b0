"""The `peeklock` command: one verb a file."""
