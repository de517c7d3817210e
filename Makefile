# Two commands: `make run` (set-up and the whole pipeline) and `make test` (set-up and the tests).
# `make run DATA=<folder>` first imports a data set in the ImageCLEF layout.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
UI     := http://127.0.0.1:5000
export PATH := $(CURDIR)/$(BIN):$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)

# One `make` at a time sets up or runs in this folder; another waits and is told.
ALONE  := $(PYTHON) .ci/alone.py

# A virtual environment holds its own path: one that was moved or copied is made anew.
MADE_AT = $(shell sed -n 's/^command = .* -m venv \(--[a-z-]* \)*//p' $(VENV)/pyvenv.cfg 2> /dev/null)
ifneq ($(MADE_AT),$(CURDIR)/$(VENV))
$(VENV)/installed: moved
endif

.PHONY: run run-alone test docs setup setup-alone moved lock ui clean
run:
	@$(ALONE) $(MAKE) --no-print-directory run-alone

run-alone: setup-alone
ifdef DATA
	$(BIN)/python -m ganamis import "$(DATA)"
endif
	$(BIN)/dvc repro ingest
	$(BIN)/python .ci/side_by_side.py
	$(BIN)/dvc repro report
	@echo "Report: $$PWD/results/report/report.html"

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder --durations 10

# The documentation as a site, in site/; warnings are errors.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Site: $$PWD/site/index.html"

setup:
	@$(ALONE) $(MAKE) --no-print-directory setup-alone

setup-alone: $(VENV)/installed

moved:
	rm -rf $(VENV)

$(VENV)/installed: requirements.txt requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(UV) pip install --quiet --compile-bytecode -r requirements.txt -r requirements-dev.txt
	$(UV) pip install --quiet --compile-bytecode --no-deps --editable .
	touch $@

# Pins for every supported Python and platform, from the abstract dependencies in pyproject.toml.
lock: setup
	$(UV) pip compile --quiet --universal --python-version 3.11 --extra pipeline pyproject.toml -o requirements.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --extra pipeline --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

# The comparison of all runs, on this machine only.
ui: setup
	@echo "Runs:   $(UI)/#/experiments/1/runs?viewStateShareKey=compare&workflowType=machine_learning"
	@echo "Charts: $(UI)/#/experiments/1/runs?viewStateShareKey=compare&workflowType=machine_learning&compareRunsMode=CHART"
	@echo "Search: $(UI)/#/experiments/1/runs?viewStateShareKey=search&workflowType=machine_learning&compareRunsMode=CHART"
	@echo "Model:  $(UI)/#/models/ganamis?workflowType=machine_learning"
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server --workers 1 --host 127.0.0.1 --port 5000 --backend-store-uri sqlite:///mlflow.db

clean:
	rm -rf $(VENV)
