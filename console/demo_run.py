"""The steps of the demo, in order; each prints one line when it is done.

Invariant: a step that fails stops the demo, says where its log lies, and the servers are stopped. Everything the
demo writes is under its output folder; an earlier demo's output there is replaced.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.demo_summary import show, summarize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conf import Settings

ROOT = Path(__file__).resolve().parent.parent
CAMPAIGNS = ROOT / "examples" / "campaigns"
SCHEDULED = "weekly_newsletter"
RUN_ID = "demo-1"
#: Up to this audience a job lasts for seconds, and the JVM's optimising compiler costs more than it gives.
SHORT_CUSTOMERS = 50_000
SHORT_OPTIONS = "--driver-java-options -XX:TieredStopAtLevel=1"
#: What the demo makes; nothing else in the output folder is touched.
OUTPUTS = ("messages", "logs", "summary.json")


class DemoError(Exception):
    """A step of the demo failed; the message says which and where its log is."""


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
        from embedded.servers import EmbeddedServers

        self._clean()
        with ExitStack() as stack:
            with self._step("Kafka broker and S3 endpoint") as note:
                servers = stack.enter_context(EmbeddedServers())
                note.append(f"{servers.kafka.bootstrap_servers}, {servers.s3.endpoint_url}")
            environment = {**os.environ, **servers.environment()}
            settings = conf.load("local", environ=environment)
            malformed = self._prepare(settings, environment)
            self._send(environment)
            with self._step("reference sender") as note:
                received = self._receive(environment)
                note.append(f"{received['received']:,} messages")
            summary = summarize(settings, received, malformed, self.customers, time.monotonic() - self._began)
        show(summary, self.out)
        return summary

    def _prepare(self, settings: Settings, environment: dict[str, str]) -> int:
        """Audience, campaigns and traffic; returns how many malformed records were sent."""
        from console.broker import send
        from examples.audience import write_extract
        from examples.traffic import generate_traffic
        from pipelines.campaigns import find_campaigns, load_folder
        from pipelines.edges.campaign_store import CampaignStore
        from pipelines.edges.objects import ObjectStore

        with self._step(f"raw extract of {self.customers:,} customers on S3") as note:
            extract = write_extract(
                f"{settings.lake.bucket}/raw/customers",
                self.customers,
                self.seed,
                filesystem=filesystem(settings),
            )
            note.append(f"{extract.size_bytes / 1e6:.1f} MB")
        with self._step("build_audience (Great Expectations, then promoted)"):
            uri = f"s3a://{settings.lake.bucket}/raw/customers"
            self._run({"build_audience": self._job("build_audience", ["--extract", uri])}, environment)
        with self._step("campaigns published") as note:
            store = CampaignStore(ObjectStore(settings.lake))
            loaded = [load_folder(folder) for folder in find_campaigns(CAMPAIGNS)]
            note.append(", ".join(f"{c.campaign_id} {store.publish(c)[:8]}" for c in loaded))
        with self._step("triggers and customer events to Kafka") as note:
            traffic = generate_traffic(self.customers, self.seed, datetime.now(timezone.utc))
            send(settings, ((r.topic, r.key, r.value) for r in traffic.records))
            note.append(
                f"{traffic.total:,} records: {traffic.malformed} malformed, {traffic.duplicates} duplicates, "
                f"{traffic.unknown_customers} for unknown customers"
            )
        return traffic.malformed

    def _send(self, environment: dict[str, str]) -> None:
        """The stream and the run at the same time: two drivers on one lake, as in production."""
        jobs = {
            "send_triggered": ["--available-now"],
            "send_campaign": ["--campaign", SCHEDULED, "--run-id", RUN_ID],
        }
        with self._step(f"send_triggered (--available-now) beside send_campaign {SCHEDULED}"):
            self._run({name: self._job(name, arguments) for name, arguments in jobs.items()}, environment)

    def _receive(self, environment: dict[str, str]) -> dict[str, Any]:
        folder = self.out / "messages"
        command = [sys.executable, "-m", "senders.reference", "--out", str(folder), "--until-idle", "2"]
        self._run({"sender": command}, environment)
        received: dict[str, Any] = json.loads((folder / "received.json").read_text(encoding="utf-8"))
        return received

    def _job(self, job: str, arguments: list[str]) -> list[str]:
        return [str(ROOT / "spark-submit.sh"), job, "--", *arguments]

    def _run(self, commands: dict[str, list[str]], environment: dict[str, str]) -> None:
        """Run the commands side by side to their ends; whatever interrupts the demo ends them too."""
        if self.customers <= SHORT_CUSTOMERS:
            environment = {**environment, "SPARK_SUBMIT_OPTIONS": SHORT_OPTIONS}
        running: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for name, command in commands.items():
                with self._log(name).open("wb") as log:
                    running[name] = subprocess.Popen(
                        command, env=environment, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL
                    )
            codes = {name: process.wait() for name, process in running.items()}
        except BaseException:
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.wait()
            raise
        for name, code in codes.items():
            if code != 0:
                text = self._log(name).read_text(encoding="utf-8", errors="replace")
                last = " ".join(text.strip().splitlines()[-1:])
                raise DemoError(f"{name} ended with exit code {code}: {last} (whole log: {self._log(name)})")

    def _log(self, name: str) -> Path:
        path = self.out / "logs" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

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
        self.out.mkdir(parents=True, exist_ok=True)
        for name in OUTPUTS:
            path = self.out / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


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
