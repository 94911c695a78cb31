# Every target works on a fresh machine with Python 3.10 to 3.13 and Java 17: it makes .venv and fetches jars first.
# Exit codes of the checks: scripts/check-machine.sh.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CUSTOMERS ?= 20000
DRILLS ?=
BENCH ?=
WORKERS ?= 2
PYTHON ?= python3
BIN := .venv/bin
# pip downloads one file at a time, so three of them install. pyspark, half of all bytes, is made into a wheel first, and
# compressing one that is unpacked at once takes half a minute. Modules are compiled when they are first imported.
# Another list of requirements is another stamp, so that .venv is brought up to date exactly when needed.
STAMP := .venv/.requirements-$(shell cat requirements.txt setup.py | cksum | cut -d' ' -f1)

export PYTHON
export PYTHONUNBUFFERED := 1
# Where it is set, each of the many processes of a demo or a test would compile the rooms anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help venv jars demo dev test test-fast lint types format bench bench-render bench-decide bench-explain fuzz drills clean

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(STAMP):
	@python="$$(scripts/check-machine.sh)"; \
	echo ".venv: installing pinned packages for $$("$$python" --version) (some 600 MB to download the first time)"; \
	[ -x $(BIN)/python ] && $(BIN)/python -c 'import pip' 2> /dev/null || "$$python" -m venv --clear .venv; \
	install="$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile"; \
	$$install pip==26.3; \
	trap 'kill $$(jobs -p) 2> /dev/null || true' EXIT; \
	others() { grep -v '^pyspark==' requirements.txt | awk -v part="$$1" 'NR % 2 == part'; }; \
	$$install --config-settings=--build-option=--compression=stored "$$(grep '^pyspark==' requirements.txt)" & pyspark=$$!; \
	$$install -r <(others 0) & even=$$!; \
	$$install -r <(others 1); \
	wait $$pyspark; wait $$even; \
	PYTHONWARNINGS=ignore $$install --no-build-isolation --editable .; \
	missing="$$($(BIN)/python -m pip check)" || { echo "requirements.txt is not whole: $$missing" >&2; exit 1; }; \
	rm -f .venv/.requirements-*; touch $@

venv: $(STAMP)  ## .venv with the pinned packages

jars: venv  ## Spark's connectors, the Kafka broker and the Delta log store, in the cache directory
	@scripts/check-machine.sh > /dev/null
	@$(BIN)/python -m embedded.jars

demo: jars  ## the whole pipeline on real servers; CUSTOMERS=20000
	@$(BIN)/carillon demo --customers $(CUSTOMERS)

dev: jars  ## Kafka and S3 on loopback until Ctrl-C
	@$(BIN)/carillon dev

test: jars  ## every test, in two processes with servers and a session each; WORKERS=2
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test-fast: venv  ## the tests that need neither Spark nor servers
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) -m "not spark and not integration"

lint: venv  ## ruff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: venv  ## rewrite the code as ruff wants it
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

types: venv  ## mypy --strict
	@$(BIN)/mypy

bench: jars  ## publishing against Spark's Kafka sink and the usual way, latency, memory; BENCH="--only sms"
	@$(BIN)/python -m bench.publish $(BENCH)

bench-render: venv  ## messages rendered per second, beside Jinja2
	@$(BIN)/python -m bench.render

bench-decide: jars  ## decisions per second and cost of an epoch, at 100 k to 5 M customers; leave the machine alone
	@$(BIN)/python -m bench.decide

bench-explain: jars  ## seconds of explain and why-not on a ledger of 10 million rows
	@$(BIN)/python -m bench.explain

fuzz: venv  ## templates against real Jinja2, until Ctrl-C
	@$(BIN)/python -m tests.pipelines.render.fuzz

drills: jars  ## kill, freeze and starve the real jobs, for hours; report in out/drills.html (DRILLS="--kills 20")
	@$(BIN)/python -m drills $(DRILLS)

clean:  ## everything make made, but not the cache directory
	@rm -rf .venv out build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis spark-warehouse metastore_db derby.log
