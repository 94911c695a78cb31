"""The steps of the demo, in order; each prints one line when it is done.

Invariant: a step that fails stops the demo, says where its log lies, and the servers are stopped. Everything the
demo writes is under its output folder; an earlier demo's output there is replaced.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.demo_children import Children
from console.demo_lock import alone_in
from console.demo_summary import show, summarize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conf import Settings

ROOT = Path(__file__).resolve().parent.parent
CAMPAIGNS = ROOT / "examples" / "campaigns"
SCHEDULED = "weekly_newsletter"
RUN_ID = "demo-1"
#: Up to this audience a job lasts for seconds.
SHORT_CUSTOMERS = 50_000
#: What spark-submit.sh reads from the shell and would take the jobs to another cluster, Spark or environment.
_ELSEWHERE = ("MASTER", "DEPLOY_MODE", "SPARK_HOME", "CARILLON_ENV")
#: What the demo makes; nothing else in the output folder is touched.
OUTPUTS = ("messages", "logs", "summary.json")


class DemoRun:
    """One demo."""

    def __init__(self, customers: int, out: Path, seed: int) -> None:
        self.customers = customers
        self.out = out
        self.seed = seed
        self._began = time.monotonic()

    def run(self) -> dict[str, Any]:
        """Run all steps; returns the summary it also writes and shows."""
        import conf
        from conf.spark import SHORT_JOB
        from embedded.servers import EmbeddedServers

        with ExitStack() as stack:
            stack.enter_context(alone_in(self.out))
            self._clean()
            with self._step("Kafka broker and S3 endpoint") as note:
                servers = stack.enter_context(EmbeddedServers())
                note.append(f"{servers.kafka.bootstrap_servers}, {servers.s3.endpoint_url}")
            environment = job_environment(os.environ, servers.environment())
            settings = conf.load("local", environ=environment)
            if self.customers <= SHORT_CUSTOMERS:
                environment["SPARK_SUBMIT_OPTIONS"] = SHORT_JOB
            children = stack.enter_context(Children(ROOT, environment, self.out / "logs"))
            malformed = self._prepare(settings, children)
            received = self._send(children)
            summary = summarize(settings, received, malformed, self.customers, time.monotonic() - self._began)
        show(summary, self.out)
        return summary

    def _prepare(self, settings: Settings, children: Children) -> int:
        """Audience, campaigns and traffic; returns how many malformed records were sent."""
        from examples.audience import write_extract

        with self._step(f"raw extract of {self.customers:,} customers on S3") as note:
            extract = write_extract(
                f"{settings.lake.bucket}/raw/customers",
                self.customers,
                self.seed,
                filesystem=filesystem(settings),
            )
            note.append(f"{extract.size_bytes / 1e6:.1f} MB")
        with self._step("build_audience (Great Expectations, then promoted), begun before these two"):
            uri = f"s3a://{settings.lake.bucket}/raw/customers"
            children.start("build_audience", self._job("build_audience", "--extract", uri))
            self._publish_campaigns(settings)
            malformed = self._produce_traffic(settings)
            children.finish("build_audience")
        return malformed

    def _publish_campaigns(self, settings: Settings) -> None:
        from pipelines.campaigns import find_campaigns, load_folder
        from pipelines.edges.campaign_store import CampaignStore
        from pipelines.edges.objects import ObjectStore

        with self._step("campaigns published") as note:
            store = CampaignStore(ObjectStore(settings.lake))
            loaded = [load_folder(folder) for folder in find_campaigns(CAMPAIGNS)]
            note.append(", ".join(f"{c.campaign_id} {store.publish(c)[:8]}" for c in loaded))

    def _produce_traffic(self, settings: Settings) -> int:
        from console.broker import send
        from examples.traffic import generate_traffic

        with self._step("triggers and customer events to Kafka") as note:
            traffic = generate_traffic(self.customers, self.seed, datetime.now(timezone.utc))
            send(settings, ((r.topic, r.key, r.value) for r in traffic.records))
            note.append(
                f"{traffic.total:,} records: {traffic.malformed} malformed, {traffic.duplicates} duplicates, "
                f"{traffic.unknown_customers} for unknown customers"
            )
        return traffic.malformed

    def _send(self, children: Children) -> dict[str, Any]:
        """The stream and the run at the same time, two drivers on one lake, and the sender that takes what they commit:
        all as in production. Returns what the sender counted."""
        folder = self.out / "messages"
        with self._step(f"send_triggered (--available-now) beside send_campaign {SCHEDULED}"):
            children.start("send_triggered", self._job("send_triggered", "--available-now"))
            children.start(
                "send_campaign", self._job("send_campaign", "--campaign", SCHEDULED, "--run-id", RUN_ID)
            )
            sender = [sys.executable, "-m", "senders.reference", "--out", str(folder.resolve())]
            children.start("sender", [*sender, "--until-closed"])
            children.finish("send_triggered", "send_campaign")
        with self._step("reference sender, begun with them: the rest") as note:
            children.finish("sender")
            received: dict[str, Any] = json.loads((folder / "received.json").read_text(encoding="utf-8"))
            note.append(f"{received['received']:,} messages")
        return received

    def _job(self, job: str, *arguments: str) -> list[str]:
        return [str(ROOT / "spark-submit.sh"), job, "--", *arguments]

    @contextmanager
    def _step(self, what: str) -> Iterator[list[str]]:
        note: list[str] = []
        began = time.monotonic()
        yield note
        tail = f"  ({'; '.join(note)})" if note else ""
        print(
            f"[{time.monotonic() - self._began:5.1f} s] {what}: {time.monotonic() - began:.1f} s{tail}",
            flush=True,
        )

    def _clean(self) -> None:
        for name in OUTPUTS:
            path = self.out / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def job_environment(inherited: Mapping[str, str], servers: Mapping[str, str]) -> dict[str, str]:
    """What the jobs and the sender are given: the demo's own servers, and nothing that would submit them elsewhere."""
    return {**{name: inherited[name] for name in inherited if name not in _ELSEWHERE}, **servers}


def filesystem(settings: Settings) -> Any:
    """The lake's S3 as a pyarrow file system."""
    import pyarrow.fs as pafs

    lake = settings.lake
    assert lake.endpoint_url is not None
    assert lake.access_key_id is not None
    assert lake.secret_access_key is not None
    scheme, _, host = lake.endpoint_url.partition("://")
    return pafs.S3FileSystem(
        access_key=lake.access_key_id.get_secret_value(),
        secret_key=lake.secret_access_key.get_secret_value(),
        endpoint_override=host,
        scheme=scheme,
        region=lake.region,
    )
