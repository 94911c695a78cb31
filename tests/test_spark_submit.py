"""spark-submit.sh: the exact command for every kind of master (golden files), and what it says to a mistake.

A golden file holds one argument a line, with <home>, <cache>, <spark> and <key> for what differs.
To renew one: run the command of the test with --dry-run, look at the difference, and write it down.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from conf.spark import connectors_dir, log_store_jar

HOME = Path(__file__).resolve().parent.parent
GOLDEN = Path(__file__).parent / "fixtures" / "spark_submit"


def submit(
    *arguments: str, folder: Path = HOME, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("CARILLON", "SPARK"))
    }
    environment = {**inherited, "PYSPARK_PYTHON": sys.executable, "SPARK_HOME": "/spark", **variables}
    command = [str(HOME / "spark-submit.sh"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def portable(command: str, cache: Path) -> str:
    command = (
        command.replace(str(HOME), "<home>")
        .replace(str(cache), "<cache>")
        .replace("/spark/bin", "<spark>/bin")
    )
    return re.sub(r"(connectors|logstore)-[0-9a-f]{12}", r"\1-<key>", command)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that looks complete: the test needs the names of the jars, not the jars."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("CARILLON_CACHE", str(cache))
    for path in (connectors_dir() / "delta.jar", connectors_dir() / "manifest.json", log_store_jar()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return cache


CASES: tuple[tuple[str, dict[str, str], tuple[str, ...]], ...] = (
    ("local", {}, ("send_triggered", "--", "--available-now")),
    (
        "local_env",
        {"MASTER": "local[4]"},
        ("--env", "local", "send_campaign", "--", "--campaign", "two words"),
    ),
    ("standalone", {"MASTER": "spark://spark.example.org:7077"}, ("send_triggered",)),
    ("yarn_cluster", {"MASTER": "yarn", "DEPLOY_MODE": "cluster"}, ("send_triggered",)),
    (
        "k8s_cluster",
        {
            "MASTER": "k8s://https://k8s.example.org:6443",
            "DEPLOY_MODE": "cluster",
            "CARILLON_IMAGE": "registry.example.org/carillon:1",
            "SPARK_SUBMIT_OPTIONS": "--conf spark.executor.instances=3",
        },
        ("send_triggered",),
    ),
)


@pytest.mark.parametrize(("name", "variables", "arguments"), CASES, ids=[case[0] for case in CASES])
def test_command(cache: Path, name: str, variables: dict[str, str], arguments: tuple[str, ...]) -> None:
    done = submit("--dry-run", *arguments, variables={"CARILLON_CACHE": str(cache), **variables})
    assert done.returncode == 0, done.stderr
    assert portable(done.stdout, cache) == (GOLDEN / f"{name}.txt").read_text()


def test_it_works_from_any_directory(cache: Path, tmp_path: Path) -> None:
    here = submit("send_triggered", "--dry-run", variables={"CARILLON_CACHE": str(cache)})
    elsewhere = submit(
        "send_triggered", "--dry-run", folder=tmp_path, variables={"CARILLON_CACHE": str(cache)}
    )
    assert here.stdout == elsewhere.stdout != ""


def submitter(folder: Path, script: str) -> Path:
    """A spark-submit that does this, under the SPARK_HOME `folder`/spark."""
    made = folder / "spark" / "bin" / "spark-submit"
    made.parent.mkdir(parents=True)
    made.write_text(f"#!/bin/sh\n{script}")
    made.chmod(0o755)
    return made


def test_the_command_is_printed_and_replaces_the_shell(cache: Path, tmp_path: Path) -> None:
    spark = submitter(tmp_path, 'echo "pid $$"\nexit 42\n')
    variables = {
        "CARILLON_CACHE": str(cache),
        "SPARK_HOME": str(tmp_path / "spark"),
        "PYSPARK_PYTHON": sys.executable,
    }
    process = subprocess.Popen(
        [str(HOME / "spark-submit.sh"), "send_triggered"],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, errors = process.communicate(timeout=60)
    assert out == f"pid {process.pid}\n", "a signal to spark-submit.sh would not reach Spark"
    assert process.returncode == 42
    assert f"{spark} --master" in errors


@pytest.mark.parametrize(
    ("master", "deploy_mode", "is_here"),
    [("local[2]", "client", True), ("yarn", "client", True), ("yarn", "cluster", False)],
)
def test_a_driver_on_the_cluster_is_not_given_a_python_of_this_machine(
    cache: Path, tmp_path: Path, master: str, deploy_mode: str, is_here: bool
) -> None:
    submitter(tmp_path, 'echo "${PYSPARK_PYTHON-}|${PYSPARK_DRIVER_PYTHON-}|${PYTHONPATH-}"\n')
    variables = {
        "CARILLON_CACHE": str(cache),
        "SPARK_HOME": str(tmp_path / "spark"),
        "MASTER": master,
        "DEPLOY_MODE": deploy_mode,
    }
    done = subprocess.run(
        [str(HOME / "spark-submit.sh"), "send_triggered"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.strip().split("|")
    if is_here:
        assert told[0] == told[1] != ""
        assert told[2] == str(HOME)
    else:
        assert told == ["", "", ""]
    # What somebody has set for the cluster stays.
    assert submit(
        "send_triggered", variables={**variables, "PYSPARK_PYTHON": sys.executable}
    ).stdout.startswith(f"{sys.executable}|")


def test_rooms_are_zipped_for_a_cluster(cache: Path, tmp_path: Path) -> None:
    import zipfile

    spark = tmp_path / "spark" / "bin" / "spark-submit"
    spark.parent.mkdir(parents=True)
    spark.write_text('#!/bin/sh\nwhile [ "$1" != --py-files ]; do shift; done\necho "$2"\n')
    spark.chmod(0o755)
    variables = {
        "CARILLON_CACHE": str(cache),
        "SPARK_HOME": str(tmp_path / "spark"),
        "MASTER": "spark://h:7077",
    }
    done = submit("send_triggered", variables=variables)
    with zipfile.ZipFile(done.stdout.strip()) as rooms:
        names = set(rooms.namelist())
    assert {"conf/spark.py", "conf/environments/local.yaml", "jobs/send_triggered.py"} <= names
    assert {name.split("/")[0] for name in names} == {"conf", "jobs", "pipelines", "schemas", "senders"}
    assert not [name for name in names if "__pycache__" in name]


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (("send_trigered",), {}, "no job 'send_trigered'; jobs: "),
        (("_session",), {}, "no job '_session'"),
        (("send_triggered", "--env", "nowhere"), {}, "no environment 'nowhere'"),
        (("send_triggered", "--fast"), {}, "unknown option --fast (arguments for the job come after --)"),
        (("send_triggered", "more"), {}, "a second job, more"),
        (("send_triggered",), {"DEPLOY_MODE": "remote"}, "allowed: client, cluster"),
        (("send_triggered",), {"MASTER": "k8s://h"}, "set CARILLON_IMAGE"),
        (
            ("send_triggered",),
            {"MASTER": "spark://h:7077", "DEPLOY_MODE": "cluster"},
            "Spark standalone runs no Python driver on the cluster: set DEPLOY_MODE=client",
        ),
    ],
)
def test_mistakes_are_one_line(
    cache: Path, arguments: tuple[str, ...], variables: dict[str, str], message: str
) -> None:
    done = submit(*arguments, "--dry-run", variables={"CARILLON_CACHE": str(cache), **variables})
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_missing_jars_name_the_command_that_fetches_them(tmp_path: Path) -> None:
    done = submit("send_triggered", "--dry-run", variables={"CARILLON_CACHE": str(tmp_path)})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("carillon: ")
    assert done.stderr.endswith("run `make jars`\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("has_python", [True, False])
def test_a_fresh_clone_names_the_command_that_makes_its_environment(tmp_path: Path, has_python: bool) -> None:
    clone, tools = tmp_path / "clone", tmp_path / "bin"
    for room in ("conf", "jobs"):
        shutil.copytree(HOME / room, clone / room)
    shutil.copy(HOME / "spark-submit.sh", clone)
    tools.mkdir()
    for tool in ("bash", "dirname", "grep", "ls", "paste", "sed"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    if has_python:  # one without any package
        (tools / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
        (tools / "python3").chmod(0o755)
    done = subprocess.run(
        ["bash", str(clone / "spark-submit.sh"), "send_triggered"],
        env={"PATH": str(tools), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "run `make jars`" in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_a_job_the_jobs_are_listed() -> None:
    assert "  send_triggered\n" in submit(variables={}).stderr
    assert "  send_triggered\n" in submit("--help", variables={}).stdout


def test_further_options_are_split_as_a_shell_does(cache: Path) -> None:
    options = "--driver-java-options '-Da=1 -Db=*' --conf spark.x=\"two words\""
    variables = {"CARILLON_CACHE": str(cache), "SPARK_SUBMIT_OPTIONS": options}
    done = submit("send_triggered", "--dry-run", variables=variables)
    assert done.returncode == 0, done.stderr
    ours = ["--driver-java-options", "-Da=1 -Db=*", "--conf", "spark.x=two words"]
    assert "\n".join(ours) in done.stdout
    none, blank = (
        submit("send_triggered", "--dry-run", variables={**variables, "SPARK_SUBMIT_OPTIONS": value})
        for value in ("", "  ")
    )
    assert blank.stdout == none.stdout != ""
    done = submit("send_triggered", "--dry-run", variables={**variables, "SPARK_SUBMIT_OPTIONS": "--name 'a"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "spark-submit.sh: SPARK_SUBMIT_OPTIONS has a quote without its end: --name 'a\n"
