# Each target makes the environment .venv first where it is missing or out of date.
PYTHON ?= python3
ARGS ?=
CHAPTER ?=
BIN := .venv/bin
# Threads that wait sleep rather than spin: see course_utils/__init__.py.
OMP_WAIT_POLICY ?= PASSIVE
export OMP_WAIT_POLICY

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

lab: .venv/ready  ## open the course in JupyterLab (ARGS="--no-browser --port 8890")
	$(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" $(ARGS) notebooks/00_start_here.ipynb

test: .venv/ready  ## run every check: code, notebooks, slides, browser
	$(BIN)/python -m pytest $(ARGS)

test-fast: .venv/ready  ## run the checks of the code alone
	$(BIN)/python -m pytest tests -m "not browser" $(ARGS)

slides: .venv/ready  ## build the slide decks (CHAPTER=01 for one) in slides/
	$(BIN)/python -m course_utils.lecture $(CHAPTER)

present: .venv/ready  ## open the deck of CHAPTER=01 in the browser
	$(BIN)/python -m course_utils.lecture --open $(CHAPTER)

notebooks: .venv/ready  ## execute the notebooks anew (CHAPTER=01 for one), keep outputs
	$(BIN)/python -m course_utils.notebooks $(CHAPTER)

# A benchmark has the machine to itself: there waiting threads stay awake for a moment.
bench: export GOMP_SPINCOUNT ?= 10000
bench: .venv/ready  ## measure the speed of training and of convolution by hand
	$(BIN)/python -m course_utils.bench $(ARGS)

environment:  ## make an empty .venv (PYTHON=python3.12 for another Python)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("$(PYTHON) is Python %d.%d; the course needs 3.11, 3.12 or 3.13: make PYTHON=python3.12 ..." % v)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python lacks the module venv; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv --clear .venv

# uv installs several times faster than pip; where it cannot be had, pip does the same.
# Without a Python in .venv, or with a link to one that is gone, it is made first.
.venv/ready: requirements.txt constraints.txt pyproject.toml $(shell test -x $(BIN)/python || echo environment)
	$(BIN)/python -m pip install --quiet uv==0.13.8 || true
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode -r requirements.txt || $(BIN)/python -m pip install -r requirements.txt
	@touch $@

.PHONY: help lab test test-fast slides present notebooks bench environment
