# New here? Start with `make demo` and `make test`. Each creates .venv if it does not exist.
PYTHON ?= python3
BIN := .venv/bin
CORES ?= all
PORT ?= 5000
RESULTS ?= results
SEEDS ?= 5
NOTEBOOKS ?= on
FIGURES ?= $(wildcard config/paper/*.yaml)
OUTSIDE := $(PATH)
# Checked first, because pip would download for a minute before it fails on package versions.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: install demo ui test costs coverage paper-test cluster-test faults cases lint schema bench docs

install: .venv/installed

# torch first, with its exact version, so that pip uses a CPU build from a local wheel path if there is one.
.venv/installed: pyproject.toml constraints.txt
	@$(BIN)/python -c 'import pip; $(NEW_ENOUGH)' 2> /dev/null || { \
	  PATH='$(OUTSIDE)'; \
	  $(PYTHON) -c 'import venv, ensurepip; $(NEW_ENOUGH)' 2> /dev/null || { \
	    echo "make: ratecore needs Python 3.11 or later with its venv module (on Debian: apt install python3-venv)." \
	      "PYTHON = $(PYTHON) is $$($(PYTHON) --version 2>&1 | tail -n 1); name another one:" \
	      "make $(or $(MAKECMDGOALS),install) PYTHON=python3.12" >&2; exit 1; }; \
	  $(PYTHON) -m venv --clear .venv; }
	$(BIN)/pip install -q -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

demo: install
	$(BIN)/snakemake --cores $(CORES)

# The paper: trains, converts, draws and judges all figures of config/paper with SEEDS networks at each grid point;
# FIGURES='config/paper/fig1c.yaml config/paper/fig2e.yaml' are some of them. Networks that are there are not repeated.
paper: install
	@mkdir -p "$(RESULTS)"
	$(BIN)/ratecore combine $(FIGURES) --seeds 0..$$(($(SEEDS) - 1)) -o "$(RESULTS)/paper.yaml"
	$(BIN)/snakemake --cores $(CORES) --configfile "$(RESULTS)/paper.yaml" --config results="$(RESULTS)"

# Works with spaces in RESULTS and with a `random.py` in this folder.
ui: install
	@exec $(BIN)/python -P -m ratecore.cli ui "$(RESULTS)" --port $(PORT)

# TESTS='tests/spiking -k lif' runs some of the tests.
test: install
	$(BIN)/python -m pytest $(TESTS)

# The same, and prints the CPU seconds of files and tests (tests/costs.py), which hardly depend on what else is running.
costs: install
	PYTHONPATH=tests $(BIN)/python -m pytest -p costs $(TESTS)

# Lines of compiled loops count as covered when Numba compiles them; with an empty cache, it compiles all that are used.
# TESTS='tests/spiking/test_lif.py' measures some of the tests.
coverage: install
	cache=$$(mktemp -d) && trap 'rm -rf "$$cache"' EXIT && \
	  NUMBA_JIT_COVERAGE=1 NUMBA_CACHE_DIR=$$cache $(BIN)/python -m pytest --cov --cov-report=term --cov-report=html $(TESTS)

# Minutes of training and conversion, compared with the figures of the paper; and the complete demo.
paper-test: install
	$(BIN)/python -m pytest --dist loadgroup -m paper

# As root on Debian: starts a SLURM cluster of two nodes on this machine and removes it afterwards.
cluster-test: install
	which slurmctld munged /usr/lib/postgresql/*/bin/initdb > /dev/null || apt-get install -y -qq slurm-wlm munge postgresql
	$(BIN)/python -m pytest -n 0 -m cluster tests/cluster

# Real faults, as many times as docs/reliability.md lists; FAULTS='name --quick' runs some of them.
faults: install
	PYTHONPATH=tests $(BIN)/python -m faults $(FAULTS)

# Runs a folder of small inputs that once broke ratecore: see tests/cases.py.
cases: install
	PYTHONPATH=$(CURDIR) $(BIN)/python tests/cases.py "$(CASES)"

# Runs the hooks of .pre-commit-config.yaml on every file. Some hooks correct what they detect, but the target still fails.
lint: install
	$(BIN)/pre-commit run --all-files --show-diff-on-failure
	$(BIN)/snakemake --lint
	test ! -x $(BIN)/hadolint || $(BIN)/hadolint Dockerfile  # only available on some platforms

bench: install
	$(BIN)/pip install -q -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/trial.py
	$(BIN)/python benchmarks/job.py
	$(BIN)/python benchmarks/block.py
	$(BIN)/python benchmarks/spiking.py
	$(BIN)/python benchmarks/mirror.py

# The documentation site, build/docs/index.html: any warning, such as a link that leads nowhere, is an error.
# NOTEBOOKS=off does not execute the tutorials.
docs: install
	$(BIN)/pip install -q -c constraints.txt -e '.[docs]'
	NOTEBOOKS=$(NOTEBOOKS) $(BIN)/python -m sphinx --builder html --quiet --fail-on-warning --doctree-dir build/doctrees docs build/docs
	@echo "build/docs/index.html"

schema: install
	$(BIN)/ratecore schema > workflow/schemas/config.schema.yaml
