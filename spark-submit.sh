#!/usr/bin/env bash
# Submits a job of jobs/ to Spark: local[*] by default, or MASTER=spark://…|yarn|k8s://… with DEPLOY_MODE=client|cluster.
#
#   ./spark-submit.sh JOB [--env NAME] [--dry-run] [-- job arguments]
#
# Settings and packages come from conf/spark.py and conf/spark_packages.py. Other variables: SPARK_HOME (default: the Spark
# inside pyspark), SPARK_SUBMIT_OPTIONS (further options; blanks and quotes as in a shell), CARILLON_IMAGE (Kubernetes),
# CARILLON_IVY_SETTINGS (mirror). Exit codes of its own: 2 usage, or packages or jars are not there yet; otherwise the job's.
set -euo pipefail

home="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
master="${MASTER:-local[*]}"
deploy_mode="${DEPLOY_MODE:-client}"
environment="${CARILLON_ENV:-local}"

fail() { printf 'spark-submit.sh: %s\n' "$1" >&2; exit "${2:-2}"; }

# A leading underscore marks the jobs' own support modules.
jobs() { (cd "$home/jobs" && ls -- *.py | sed -n '/^_/!s/\.py$//p'); }
environments() { (cd "$home/conf/environments" && ls -- *.yaml | sed 's/\.yaml$//' | paste -sd ' '); }
usage() {
    printf 'usage: spark-submit.sh JOB [--env NAME] [--dry-run] [-- job arguments]\njobs:\n'
    jobs | sed 's/^/  /'
}

job="" dry_run=""
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --env) [ $# -ge 2 ] || fail "--env needs a name: $(environments)"; environment="$2"; shift 2 ;;
        --env=*) environment="${1#--env=}"; shift ;;
        --dry-run) dry_run=1; shift ;;
        --) shift; break ;;
        -*) fail "unknown option $1 (arguments for the job come after --)" ;;
        *) [ -z "$job" ] || fail "a second job, $1 (arguments for the job come after --)"; job="$1"; shift ;;
    esac
done
[ -n "$job" ] || { usage >&2; exit 2; }
job="${job%.py}"
jobs | grep -qxF -- "$job" || fail "no job '$job'; jobs: $(jobs | paste -sd ' ')"
if [ -z "${CARILLON_CONF_DIR:-}" ] && [ ! -f "$home/conf/environments/$environment.yaml" ]; then
    fail "no environment '$environment' in conf/environments; there are: $(environments)"
fi
case "$deploy_mode" in client | cluster) ;; *) fail "DEPLOY_MODE is '$deploy_mode'; allowed: client, cluster" ;; esac
case "$master+$deploy_mode" in
    spark://*+cluster) fail "Spark standalone runs no Python driver on the cluster: set DEPLOY_MODE=client, or MASTER to yarn or k8s://…" ;;
esac

python="${PYSPARK_DRIVER_PYTHON:-${PYSPARK_PYTHON:-}}"
if [ -z "$python" ]; then
    if [ -x "$home/.venv/bin/python" ]; then python="$home/.venv/bin/python"; else python="$(command -v python3 || true)"; fi
fi
# Asked before anything is imported: a fresh clone has no packages, and Python would answer with a trace.
needed=(pydantic yaml)
[ -n "${SPARK_HOME:-}" ] || needed+=(pyspark)
has_packages='import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, sys.argv[1:])))'
[ -n "$python" ] && "$python" -c "$has_packages" "${needed[@]}" 2> /dev/null ||
    fail "${python:-python3 (not on PATH)} does not run or lacks the packages of requirements.txt: run \`make jars\`, which makes .venv, or set PYSPARK_PYTHON"
settings="$(PYTHONPATH="$home" "$python" -m conf.spark "$master")" || exit $?
spark_home="${SPARK_HOME:-$("$python" -c 'import importlib.util as u; print(u.find_spec("pyspark").submodule_search_locations[0])')}"

# Rooms that run on executors, or that a driver on the cluster imports.
zip_rooms() {
    local target="$1"
    mkdir -p "$(dirname "$target")"
    (cd "$home" && "$python" - "$target" <<'PY'
import pathlib, sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
    for room in ("conf", "jobs", "pipelines", "schemas", "senders"):
        for file in sorted(pathlib.Path(room).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file)
PY
    )
}

command=("$spark_home/bin/spark-submit" --master "$master" --name "carillon-$job")
application="$home/jobs/$job.py"
case "$master" in
    local*) ;;
    k8s://*)
        command+=(--deploy-mode "$deploy_mode")
        [ -n "${CARILLON_IMAGE:-}" ] || fail "set CARILLON_IMAGE to the image that holds the rooms and the jars"
        command+=(--conf "spark.kubernetes.container.image=$CARILLON_IMAGE")
        # The image holds rooms and jars: nothing to upload, nothing to fetch when a pod starts.
        if [ "$deploy_mode" = cluster ]; then application="local:///opt/carillon/jobs/$job.py"; fi
        ;;
    *)
        command+=(--deploy-mode "$deploy_mode")
        rooms="$home/out/carillon-rooms.zip"
        [ -n "$dry_run" ] || zip_rooms "$rooms"
        command+=(--py-files "$rooms")
        ;;
esac
while IFS= read -r setting; do command+=(--conf "$setting"); done <<< "$settings"
if [[ "${SPARK_SUBMIT_OPTIONS:-}" = *[![:space:]]* ]]; then
    options="$(xargs -n 1 printf '%s\n' <<< "$SPARK_SUBMIT_OPTIONS" 2> /dev/null)" ||
        fail "SPARK_SUBMIT_OPTIONS has a quote without its end: $SPARK_SUBMIT_OPTIONS"
    while IFS= read -r option; do command+=("$option"); done <<< "$options"
fi
command+=("$application" --env "$environment" "$@")

if [ -n "$dry_run" ]; then
    printf '%s\n' "${command[@]}"
    exit 0
fi
printf '%q ' "${command[@]}" >&2
printf '\n' >&2

# A driver on the cluster has neither this machine's Python nor the checkout, and Spark would hand it their paths.
case "$master+$deploy_mode" in
    local*+* | *+client)
        export PYSPARK_PYTHON="${PYSPARK_PYTHON:-$python}" PYSPARK_DRIVER_PYTHON="${PYSPARK_DRIVER_PYTHON:-$python}"
        # The driver imports the rooms from the checkout, wherever this was called from; local workers inherit it.
        export PYTHONPATH="$home${PYTHONPATH:+:$PYTHONPATH}"
        ;;
esac
export SPARK_HOME="$spark_home"
# A local driver is told of its logging by a Java option: a folder of files on its class path would bar the class archive.
case "$master" in local*) ;; *) export SPARK_CONF_DIR="${SPARK_CONF_DIR:-$home/conf/logging}" ;; esac
# pyspark says at every start that its pandas API is not ready for pandas 3; nothing here uses that API.
export PYTHONWARNINGS="${PYTHONWARNINGS:-ignore::FutureWarning:pyspark.testing.utils,ignore::FutureWarning:pyspark.sql.pandas.functions,ignore::FutureWarning:pyspark.sql.connect.utils}"
exec "${command[@]}"
