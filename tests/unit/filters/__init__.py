"""One module of tests for each module of `filters`."""
