# Everything is installed into .venv and nowhere else. On Windows, use the pip lines of README.md.

VENV := .venv
BIN := $(VENV)/bin

# make lab PYTHON=/path/to/python3.12 chooses the interpreter of a new .venv
PYTHON ?=
CANDIDATES := python3.11 python3.12 python3.13 python3 python
# make lab LAB_ARGS="--no-browser --port=9999"; a container's root has to be allowed
LAB_ARGS ?=
ALLOW_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
# make unit PYTEST_ARGS="-x -k cache"
PYTEST_ARGS ?= -n 2
BENCH_ARGS ?=
REAL_ARGS ?=
# The released model that `make real` gets. Notebooks and tests use it only where it is named.
REAL := $(wildcard $(CURDIR)/build/gemma-3-270m-q4_k_m.gguf)

# The same numbers and no network, on any machine: one thread, CPU only.
QUIET := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONHASHSEED=0 HF_HUB_OFFLINE=1 \
	TOKENIZERS_PARALLELISM=false CUDA_VISIBLE_DEVICES= GEMMA3_EDU_REAL=
PYTEST := $(BIN)/python -m pytest $(if $(CI),--color=no)
# The cells of one notebook stay together, in order: nbval runs them in one kernel.
NBVAL := $(PYTEST) notebooks --nbval --nbval-current-env \
	--nbval-sanitize-with tests/nbval_sanitize.cfg \
	--nbval-cell-timeout=120 --nbval-kernel-startup-timeout=120 -n 2 --dist loadfile \
	-p no:randomly -p no:cacheprovider --color=no -ra --durations=25 --junitxml=build/nbval.xml

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help lab fresh test lint types unit gate strict strict-generic slow mutants bench real \
	nb notebooks figures format wheel wheel-test clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' Makefile

# The settings keep JupyterLab's question about news off the page; a user's own settings win.
lab: $(VENV)/lab ## open your copy of the notebooks in JupyterLab (sets up .venv the first time)
	$(BIN)/python tools/learner_copy.py
	GEMMA3_EDU_REAL='$(REAL)' $(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/my \
		--LabApp.app_settings_dir=tools/lab_settings $(ALLOW_ROOT) $(LAB_ARGS)

fresh: $(VENV)/lab ## a new copy of a notebook in my/, yours put aside: make fresh NB=05
	$(BIN)/python tools/learner_copy.py --fresh $(NB)

test: lint types unit gate strict ## all that a change must pass (sets up .venv the first time)

lint: $(VENV)/test ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/test ## mypy
	$(BIN)/mypy

unit: $(VENV)/test ## unit and parity tests, notebook rules, the examples in docstrings
	$(QUIET) MPLBACKEND=Agg $(PYTEST) tests gemma3_edu tools benchmarks --doctest-modules -m "not slow" \
		$(PYTEST_ARGS)

gate: $(VENV)/test ## see strict nbval refuse a changed number, curve, output and a new error
	$(QUIET) $(PYTEST) tests/repo/test_gate.py -m slow

strict: $(VENV)/test ## run every notebook and its solution, and compare the outputs
	@mkdir -p build
	$(QUIET) $(NBVAL)

strict-generic: ## the same on generic kernels, as another processor would
	ATEN_CPU_CAPABILITY=default $(MAKE) strict

slow: $(VENV)/test ## the tests that take minutes, mutants included
	$(QUIET) MPLBACKEND=Agg $(PYTEST) tests -m slow $(PYTEST_ARGS)

mutants: $(VENV)/test ## plant each known bug in turn and see a test fail
	$(QUIET) MPLBACKEND=Agg $(PYTEST) tests/mutants/test_mutants.py -m slow $(PYTEST_ARGS)

bench: $(VENV)/test ## time the package beside transformers: make bench BENCH_ARGS=--quick
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

real: | $(BIN)/python ## download a real Gemma 3 and try everything on it: GEMMA_TERMS=accepted make real
	@$(BIN)/python tools/real.py --terms
	@$(MAKE) --no-print-directory $(VENV)/test
	@$(QUIET) $(BIN)/python tools/real.py $(REAL_ARGS)

nb: $(VENV)/test ## execute one notebook and its solution, and write their outputs: make nb NB=05
	$(QUIET) $(BIN)/python tools/execute_notebooks.py $(NB)

notebooks: $(VENV)/test ## execute the notebooks edited since they last ran
	$(QUIET) $(BIN)/python tools/execute_notebooks.py --changed

figures: $(VENV)/lab ## draw figures/ again
	$(BIN)/python tools/make_figures.py

format: $(VENV)/test ## let ruff repair what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

wheel: $(VENV)/test ## build the wheel into dist/
	rm -rf dist
	$(BIN)/python -m hatchling build --target wheel

wheel-test: wheel ## install the wheel in an empty environment elsewhere and use it
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(BIN)/python -m venv "$$folder/venv"; \
	"$$folder/venv/bin/python" -m pip install --quiet -c constraints.txt dist/*.whl; \
	cp tests/repo/installed.py "$$folder"; cd "$$folder"; venv/bin/python -I installed.py

clean: ## remove what was built; .venv stays
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# A new .venv. Each candidate is run, since a name on the path may be there without a Python.
$(BIN)/python:
	@for python in $(or $(PYTHON),$(CANDIDATES)); do \
		if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
			2>/dev/null; then \
			echo "Making $(VENV) with $$("$$python" --version)"; \
			"$$python" -m venv --clear $(VENV) && exit 0; \
			rm -rf $(VENV); \
			echo "$$python cannot make environments; on Debian and Ubuntu, install python3-venv" >&2; \
			exit 1; \
		fi; \
	done; \
	echo "No Python 3.11, 3.12 or 3.13 under: $(or $(PYTHON),$(CANDIDATES))." >&2; \
	echo "Install one, or name it: make lab PYTHON=/path/to/python3.12" >&2; \
	exit 1

# Stamps: installed again when the dependencies or their pins change.
PINS := pyproject.toml constraints.txt hashes.txt

$(VENV)/lab: $(PINS) | $(BIN)/python
	$(BIN)/python tools/install.py
	@touch $@

$(VENV)/test: $(PINS) | $(BIN)/python
	$(BIN)/python tools/install.py test
	@touch $(VENV)/lab $@
