"""Executors die: the job runs on a standalone Spark of this machine, a master with two workers, and has to go on."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from conf.spark import SHORT_JOB, pyspark_dir
from drills.job import TAG
from drills.outcome import Outcome
from drills.stage import Stage
from drills.trial import DrillError, Trial
from embedded.process import ServerProcess, accepts_connections, free_port

#: Two, so that an executor is lost while the other one publishes.
WORKERS = 2
_START_S = 60.0


class Cluster:
    """`with Cluster(folder, tag) as cluster:`; `environment` makes spark-submit.sh use it."""

    def __init__(self, folder: Path, tag: str) -> None:
        self._folder = folder
        self._port = free_port()
        self._tag = tag
        self._stack = ExitStack()

    @property
    def master(self) -> str:
        return f"spark://127.0.0.1:{self._port}"

    def environment(self, variables: dict[str, str]) -> dict[str, str]:
        """For the driver; `variables` are for the Python workers, which are not its children here."""
        settings = {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.executor.memory": "1g",
            "spark.sql.shuffle.partitions": "4",
            **{f"spark.executorEnv.{name}": value for name, value in variables.items()},
        }
        options = " ".join(f"--conf {name}={value}" for name, value in settings.items())
        return {"MASTER": self.master, "SPARK_SUBMIT_OPTIONS": f"{SHORT_JOB} {options}"}

    def __enter__(self) -> Cluster:
        try:
            master = ["Master", "--host", "127.0.0.1", "--port", str(self._port), "--webui-port", "0"]
            server = self._start("the Spark master", master)
            server.wait_until(lambda: accepts_connections(self._port), _START_S)
            for number in range(WORKERS):
                # One core each: the two send partitions are published by two executors.
                sizes = ["--cores", "1", "--memory", "1g", "--webui-port", "0"]
                where = ["--host", "127.0.0.1", "--work-dir", str(self._folder / f"worker-{number}")]
                self._start(f"Spark worker {number}", ["Worker", *sizes, *where, self.master])
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self, name: str, words: list[str]) -> ServerProcess:
        role, *arguments = words
        home = pyspark_dir()
        assert home is not None
        server = ServerProcess(
            name,
            [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{role.lower()}.{role}", *arguments],
            self._folder / f"{role.lower()}.log",
            # Executors inherit these: no name of this machine is looked up.
            {TAG: self._tag, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"},
        )
        self._stack.callback(server.stop)
        server.start()
        return server


def lose_executor(stage: Stage, name: str, kind: str, point: str) -> Outcome:
    """The JVM of an executor dies with the worker that is at the point; Spark starts another, and the task again."""
    trial = Trial(stage, kind, name)
    trial.feed()
    with Cluster((stage.logs / f"{name}-cluster").resolve(), stage.tag) as cluster:
        mark = trial.make_mark()
        fault = {"CARILLON_FAULT": f"{point}:kill-job:2", "CARILLON_FAULT_MARK": str(mark)}
        trial.environment |= cluster.environment({**fault, TAG: stage.tag})
        trial.finish(trial.launch())
        if not mark.exists():
            raise DrillError(f"{name}: no executor has reached {point}")
        trial.count_kill()
    return trial.judge()
