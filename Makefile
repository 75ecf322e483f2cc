# Set-up, demo and tests of pfold. Needs Python 3.11 or 3.12 and make, and g++ for speed; nothing here needs root.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do $$p -c '' 2>/dev/null && { command -v $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SNAKEMAKE := $(BIN)/snakemake --profile profiles/local

# What `make bench` folds: a file of features; REFERENCE="PYTHON golden.py" runs the reference beside it.
FEATURES ?=
REFERENCE ?=

QUICK := tests/chem tests/confidence tests/esm tests/features tests/kernels tests/msa tests/report tests/results tests/run \
	tests/targets tests/templates tests/weights tests/test_cli.py tests/test_config.py tests/test_stages.py

# What a test of the cluster profile needs, and how Debian and Ubuntu install it.
SLURM := slurm-wlm munge
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: setup demo test check unit chromium test-other-python test-cluster test-resume test-training fuzz bench clean

setup: $(READY)

# The operators are compiled beside pip, which uses one core. Python files are compiled when they are first imported: a
# third of them ever is.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v in ((3, 11), (3, 12)) or sys.exit("pfold needs Python 3.11 or 3.12, but $(PYTHON) is %d.%d; run: make PYTHON=/path/to/python3.12" % v)'
	@echo "setting up $(VENV) (MindSpore alone is 2.5 GB unpacked; this takes a few minutes)"
	$(PYTHON) -m venv $(VENV)
	PYTHONPATH=. $(BIN)/python -P pfold/kernels/build.py & \
	$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-compile --requirement requirements.lock && \
	$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .; \
	installed=$$?; wait; exit $$installed
	ln -sfn profiles/ascend-cluster ascend-cluster
	@echo 'snakemake --profile ascend-cluster runs on your cluster, once its site block is yours: profiles/ascend-cluster'
	@touch $@

demo: $(READY)
	$(SNAKEMAKE)
	@echo
	$(BIN)/pfold evaluate results config/demo/known
	@echo
	@echo "Done. The table of results is results/summary.csv, the report results/report/index.html,"
	@echo "the structures are in results/predictions/. The table above compares them with the known ones."

test: check unit

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/rules workflow/train.smk
	$(BIN)/snakemake --lint

unit: $(READY)
	$(BIN)/pytest --numprocesses 2 --dist loadfile --ignore tests/cluster --ignore tests/resume --ignore tests/training

# The quick half of the suite on the other Python, where it is installed; no fold, no workflow.
test-other-python: $(READY)
	@mine=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	case $$mine in 3.11) other=3.12;; *) other=3.11;; esac; \
	for python in python$$other $$HOME/.pyenv/versions/$$other.*/bin/python; do \
		if $$python -c '' 2>/dev/null; then \
			$(MAKE) VENV=$(VENV)-$$other PYTHON=$$python setup && \
			exec $(VENV)-$$other/bin/pytest --numprocesses 2 $(QUICK); \
		fi; \
	done; \
	echo "Python $$other is not installed here: pfold was tested on $$mine alone"

# The browser that tests of the report run in; without one they are skipped.
chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null || \
		{ $(SUDO) apt-get update --quiet && $(SUDO) apt-get install --yes --quiet --no-install-recommends chromium; }

# Training steps against the reference, and trainings that are killed and go on: several minutes.
test-training: $(READY)
	$(BIN)/pytest --numprocesses 2 --dist loadfile tests/training

# Every rule of the workflow, ended by every fault, and run again; what has changed or was damaged: several minutes.
test-resume: $(READY)
	$(BIN)/pytest --numprocesses 2 tests/resume

# The readers, with many more cases than `make test` takes, and others each time.
fuzz: $(READY)
	FUZZ_EXAMPLES=5000 $(BIN)/pytest --numprocesses auto tests/fuzz

test-cluster: $(READY)
	@PATH=$$PATH:/usr/sbin command -v slurmctld >/dev/null || \
		{ $(SUDO) apt-get update --quiet && $(SUDO) apt-get install --yes --quiet $(SLURM); }
	$(BIN)/pytest tests/cluster

bench: $(READY)
	@test -n "$(FEATURES)" || { echo 'name a file of features: make bench FEATURES=features.npz'; exit 2; }
	$(BIN)/python benchmarks/bench.py --features $(FEATURES) $(if $(REFERENCE),--reference $(REFERENCE))

clean:
	rm -rf $(VENV) $(VENV)-3.* ascend-cluster results .snakemake .pytest_cache .mypy_cache .ruff_cache
