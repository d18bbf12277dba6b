# Each target sets itself up. The environment of an installation (envs/powerview) is used if there is one, else .venv.
PYTHON ?= python3
VENV ?= $(if $(wildcard envs/powerview/bin/python),envs/powerview,.venv)
BIN := $(VENV)/bin
QUIET_PIP := -m pip install --quiet --disable-pip-version-check

.PHONY: setup setup-tests test-plan demo test test-slow lint audit golden faults bench pictures try try-down lock check-lock
.DEFAULT_GOAL := demo

setup: $(VENV)/.installed
setup-tests: $(VENV)/.installed-tests

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock deploy/ansible_locale.py | $(BIN)/python
	$(BIN)/python $(QUIET_PIP) --require-hashes -r requirements.lock
	@$(BIN)/python deploy/ansible_locale.py
	@touch $@

$(VENV)/.installed-tests: tests/requirements.txt requirements-export.txt requirements-report.txt $(VENV)/.installed
	$(BIN)/python $(QUIET_PIP) -r requirements-export.txt -r requirements-report.txt -r tests/requirements.txt
	@touch $@

# What `make test` builds at its first run, and how long all of it takes.
test-plan:
	@[ -e $(VENV)/.installed-tests ] || echo "Python packages go into $(VENV): about a minute, once."
	@[ "$$INFLUXD" ] || command -v influxd >/dev/null || \
	  ls "$${XDG_CACHE_HOME:-$$HOME/.cache}"/powerview/influxd-*/influxd >/dev/null 2>&1 || \
	  echo "InfluxDB comes as a container (podman, docker), or is built with Go and Rust: about four minutes, once."
	@echo "The tests take about six minutes on two cores."

# The main job, in the folder demo/out: six weeks of a made-up bakery, and real sample files with all their oddities.
# Readings go into line protocol files, or into the InfluxDB that .env names.
demo: export POWERVIEW_DATA_DIR = $(CURDIR)/demo/out/data
demo: export POWERVIEW_LOG_DIR = $(CURDIR)/demo/out/logs
demo: export POWERVIEW_STATE_DIR = $(CURDIR)/demo/out/state
demo: setup
	@rm -rf demo/out && $(BIN)/python demo/make_site.py demo/out/data --sheet --figures demo/out/true-figures.csv
	@$(BIN)/python tests/sample_tree.py demo/out/data real-samples
	@echo "Real files with their oddities are in demo/out/data/real-samples. tsv_parser.py reads them all:" && echo
	@$(BIN)/python tsv_parser.py || [ $$? -eq 1 ]
	@echo && echo "The operator's log, demo/out/logs/uploads.log, has a line for each file. The last ones:" && echo
	@tail -n 3 demo/out/logs/uploads.log && echo
	@$(BIN)/python -m powerview preview demo/out/data -o demo/out/preview.html
	@echo && echo "Open demo/out/preview.html in a browser. In demo/out/data each file is in parsed/ or, with a reason, in error/."

# The whole chain with Grafana and InfluxDB in containers, on ports, volumes and a tree of its own (podman or docker).
try: setup
	@$(BIN)/python deploy/try_out.py up

try-down: setup
	@$(BIN)/python deploy/try_out.py down

# All tests but the slow ones; `make test-slow` runs those, and .ci/run both.
test: test-plan setup-tests
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-slow: setup-tests
	$(BIN)/python -m pytest -m slow

lint: setup-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/shellcheck $$(git ls-files '*.sh' .ci/run)

# Brings requirements.lock up to date with requirements.txt; versions that still fit stay.
LOCKED = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header requirements.txt
lock: setup-tests
	$(LOCKED) -o requirements.lock

# Also that each Python finds a wheel of every package in it; the comparison holds their hashes.
PYTHONS = 3.11 3.12 3.13 3.14
check-lock: setup-tests
	@cp requirements.lock .lock-now && $(LOCKED) -o .lock-now >/dev/null && diff requirements.lock .lock-now; \
	  status=$$?; rm -f .lock-now; [ $$status -eq 0 ] || echo "requirements.lock is not up to date: make lock" >&2; \
	  exit $$status
	@for python in $(PYTHONS); do \
	  $(BIN)/uv pip install --quiet --dry-run --require-hashes --only-binary :all: --target $(VENV)/nowhere \
	    --python-version $$python --python-platform x86_64-manylinux_2_28 -r requirements.lock || exit 1; \
	done

# Lists known weaknesses of the pinned packages; a weakness fails nothing.
audit: setup-tests
	-$(BIN)/pip-audit -r requirements.txt -r requirements-export.txt -r requirements-report.txt

# Writes the expected readings beside each sample anew; read the diff.
golden: setup-tests
	$(BIN)/python tests/golden.py

# Injects every fault and prints what it cost, as in docs/promises.md.
faults: setup-tests
	$(BIN)/python tests/faults/table.py

# Measures speed on this machine, beside what its own InfluxDB can take; run it on an idle machine, some minutes.
bench: setup-tests
	$(BIN)/python bench/ingest.py
	$(BIN)/python bench/herd.py
	$(BIN)/python bench/growth.py
	$(BIN)/python bench/totals.py
	$(BIN)/python bench/master_queries.py
	$(BIN)/python bench/fleet_queries.py
	$(BIN)/python bench/provisioning.py
	$(BIN)/python bench/report.py

# Takes the pictures of docs/ anew; GRAFANA and GRAFANA_HOME name a real Grafana, and a Chromium is on PATH.
pictures: setup-tests
	$(BIN)/python tests/pictures.py
