"""One file per stage: read, call, write. Only these files know paths."""
