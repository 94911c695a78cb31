"""Runs one command for as long as the process that holds its standard input lives: `leash.py COMMAND …`.

Invariant: when the holder ends in any way, kill -9 included, its end of the pipe closes and the command is
killed. Asking the kernel for a signal on the parent's death would do on Linux only, and counts the death of
the starting thread. Run as a script with `python -I -S`, so that it starts in 20 ms: it must import nothing
but the standard library.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main(command: list[str]) -> int:
    """Start the command, pass SIGTERM on, end when either side does."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(child,), daemon=True).start()
    while os.read(0, 1):
        pass
    child.kill()
    child.wait()
    return 1


def _follow(child: subprocess.Popen[bytes]) -> None:
    os._exit(child.wait() & 0xFF)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
