"""The door of every job: configuration in, exit code out, one line for a mistake that the user can mend.

Exit codes: 0 done; 1 a bug, with its trace; 2 wrong arguments, configuration or campaign; 3 the books do not balance;
4 a younger driver took over; 5 S3 or Kafka did not answer as needed; 6 the data failed its expectations.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from conf import ConfError
from pipelines.books import ImbalanceError
from pipelines.campaigns import CampaignError
from pipelines.edges.audience import NoAudienceError
from pipelines.edges.campaign_store import MissingBundleError
from pipelines.edges.failures import explain
from pipelines.edges.objects import StorageError
from pipelines.edges.progress import FencedError, ProgressUnreadableError
from pipelines.edges.publisher import PublishError
from pipelines.errors import InputError, ServerError
from pipelines.snapshot import RefusedError

EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (ConfError, 2),
    (CampaignError, 2),
    (InputError, 2),
    (NoAudienceError, 2),
    (MissingBundleError, 2),
    (ImbalanceError, 3),
    (FencedError, 4),
    (StorageError, 5),
    (ServerError, 5),
    (PublishError, 5),
    (ProgressUnreadableError, 5),
    (RefusedError, 6),
)


def say(line: str) -> None:
    """Tell whoever watches the job, or reads its log."""
    print(f"carillon: {line}", file=sys.stderr, flush=True)


def run(main: Callable[[], None]) -> int:
    """The exit code of a job; what it raises beyond the known kinds is a bug and keeps its trace."""
    try:
        main()
        return 0
    except Exception as raised:
        error = explain(raised)
        for kind, code in EXIT_CODES:
            if isinstance(error, kind):
                say(str(error))
                return code
        raise
