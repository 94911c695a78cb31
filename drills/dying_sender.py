"""The reference sender with a death in it: `python -m drills.dying_sender POINT`, then the sender's own arguments.

Invariant: it is the sender as it is, but for a kill -9 of itself at the point, so that nothing of it is cleaned up.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from senders import reference
from senders.receiving import Receiver
from senders.reference import FileDelivery
from senders.reporting import Reporter

#: After the nth return of what, in the order of a chunk: the messages of some batches are delivered; all of them are;
#: they are remembered; they are reported. Only then are the offsets committed to Kafka.
POINTS: dict[str, tuple[type[Any], str, int]] = {
    "delivering": (FileDelivery, "deliver", 3),
    "delivered": (FileDelivery, "flush", 1),
    "remembered": (Receiver, "take", 1),
    "reported": (Reporter, "report", 1),
}


def die_at(point: str) -> None:
    """From now on this process ends at the point."""
    owner, name, last = POINTS[point]
    whole = getattr(owner, name)
    calls = 0

    def deadly(*arguments: Any) -> Any:
        nonlocal calls
        answer = whole(*arguments)
        calls += 1
        if calls == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(owner, name, deadly)


if __name__ == "__main__":
    die_at(sys.argv[1])
    sys.exit(reference.main(sys.argv[2:]))
