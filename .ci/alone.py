"""Run a command while no other does in this folder; the system frees the lock of one that dies.

usage: python alone.py COMMAND [ARGUMENT ...]
"""

import fcntl
import subprocess
import sys
from pathlib import Path

LOCK = Path(".alone.lock")


def main() -> int:
    """The command's exit status."""
    with LOCK.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another make is at work in this folder; waiting for its end.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        # The command holds the lock too: where this process alone is killed, it still works.
        return subprocess.run(sys.argv[1:], pass_fds=[lock.fileno()], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
