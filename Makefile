# Every target prepares what it needs by itself: nothing but Python 3.11, make and git has to be installed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := ifs-bi-core tap-ifs-cloud target-powerbi target-looker-warehouse sandbox
MODULES := ifs-bi-core/ifs_bi_core tap-ifs-cloud/tap_ifs_cloud target-powerbi/target_powerbi \
	target-looker-warehouse/target_looker_warehouse sandbox/ifs_bi_sandbox
export UV_PROJECT_ENVIRONMENT := .venv

.PHONY: help env demo test prove check format bench docs wheels installs audit lint-containers clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

# uv comes from PyPI into the environment that it then fills with exactly what uv.lock names.
.venv/.ready: uv.lock pyproject.toml $(wildcard */pyproject.toml)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	$(BIN)/uv sync --locked --inexact --quiet
	touch $@

# Meltano has an environment of its own: its SQLAlchemy is another one than the plugins'. So has each plugin that nobody here
# wrote, which proves that ours are ordinary Singer citizens, and each emulator of a warehouse.
ENVIRONMENTS := $(basename $(notdir $(wildcard tests/environments/*.txt)))
.envs/%/.ready: tests/environments/%.txt .venv/.ready
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .envs/$*
	$(BIN)/uv pip install --quiet --python .envs/$*/bin/python --requirement $<
	touch $@

# The parser by which `make prove` reads our LookML once more: node and npm come from PyPI, the rest by npm.
PARSER := .envs/lookml-parser
$(PARSER)/.ready: $(wildcard tests/environments/lookml-parser/*) .venv/.ready
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(PARSER)
	$(BIN)/uv pip install --quiet --python $(PARSER)/bin/python --requirement tests/environments/lookml-parser/requirements.txt
	cp tests/environments/lookml-parser/package*.json $(PARSER)
	PATH="$(CURDIR)/$(PARSER)/bin:$$PATH" npm ci --prefix $(PARSER) --no-audit --no-fund --loglevel=error
	touch $@

env: .venv/.ready $(ENVIRONMENTS:%=.envs/%/.ready) ## all environments

demo: .venv/.ready .envs/meltano/.ready ## sandbox, both pipes, a change, both pipes again, three reports
	$(BIN)/ifs-bi-sandbox demo --meltano .envs/meltano/bin/meltano

test: env ## every test; none is skipped
	$(BIN)/pytest --numprocesses=logical --dist=loadfile

PROVE_MINUTES ?= 60
SOAK_MINUTES ?= 120
prove: env $(PARSER)/.ready ## the long proofs; scripts of faults for PROVE_MINUTES, from PROVE_SEED on if given; virtual days for SOAK_MINUTES
	$(BIN)/pytest --numprocesses=logical --dist=loadfile -m prove
	PYTHONPATH=tests $(BIN)/python -m faults --minutes $(PROVE_MINUTES) $(PROVE_SEED:%=--begin %)
	PYTHONPATH=tests $(BIN)/python -m soak --minutes $(SOAK_MINUTES)

check: .venv/.ready ## lint, format, types, import contracts, dependencies
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(MODULES)
	$(BIN)/lint-imports --no-cache
	for p in $(PACKAGES); do (cd $$p && ../$(BIN)/deptry .) || exit 1; done

format: .venv/.ready ## rewrite the code as `check` wants it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The peers of `make bench`, each pinned in an environment of its own; some are those that the tests have.
BENCH_ENVIRONMENTS := $(addprefix bench-,$(basename $(notdir $(wildcard benchmarks/environments/*.txt)))) \
	meltano meltanolabs-target-postgres pipelinewise-target-postgres target-jsonl
.envs/bench-%/.ready: benchmarks/environments/%.txt .venv/.ready
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .envs/bench-$*
	$(BIN)/uv pip install --quiet --python .envs/bench-$*/bin/python --requirement $<
	touch $@

bench: .venv/.ready $(BENCH_ENVIRONMENTS:%=.envs/%/.ready) ## ours and the peers on the same work: speed, CPU, memory; BENCH="--quick" or "--case tap"
	$(BIN)/python benchmarks/bench.py $(BENCH)
	$(if $(BENCH),,$(BIN)/python benchmarks/ledger.py)

docs: .venv/.ready .envs/docs/.ready ## what is generated from the code (docs/reference, settings in meltano.yml, hub/), and the site of all pages in site/
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 .envs/docs/bin/mkdocs build --strict --quiet
	$(BIN)/python hub/generate.py

PUBLISHED := $(filter-out sandbox,$(PACKAGES))
DIST ?= dist
wheels: .venv/.ready ## wheel and sdist of each published package, in dist/
	for p in $(PUBLISHED); do $(BIN)/uv build --quiet --out-dir $(DIST) $$p || exit 1; done

installs: .venv/.ready .envs/meltano/.ready .envs/hadolint/.ready ## each wheel and sdist into an empty environment of each Python that is here
	$(BIN)/pytest --numprocesses=logical --dist=loadfile -m "prove or not prove" tests/packaging

# Strict: a registry that knows nothing of a package's vulnerabilities ends this with an error, not with "none found".
audit: .venv/.ready .envs/pip-audit/.ready ## known vulnerabilities of what the packages and their extras bring along, as in uv.lock
	mkdir -p build
	$(BIN)/uv export --quiet --locked --no-default-groups --all-extras --no-emit-workspace --no-header $(PUBLISHED:%=--package %) \
		--output-file build/audited.txt
	.envs/pip-audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement build/audited.txt

lint-containers: .envs/hadolint/.ready ## docker/Containerfile
	.envs/hadolint/bin/hadolint --failure-threshold style docker/Containerfile

clean: ## everything that was built or left behind by runs
	rm -rf .venv .envs .meltano .ifs-bi build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis
