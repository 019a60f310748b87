# Every target builds .venv from constraints.txt when it is missing.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
LOWEST := .venv-lowest/.installed
SUITE = $(1)/python -m pytest -n 2 --dist loadfile

.PHONY: help install demo reproduce-smoke evidence evidence-smoke results test test-slow test-lowest test-upstream reliability lint format bench cards docs notebook

help:  ## Show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(STAMP)  ## Build .venv with the tested versions

$(STAMP): CONSTRAINTS := constraints.txt
$(LOWEST): CONSTRAINTS := constraints-lowest.txt
$(STAMP): constraints.txt
$(LOWEST): constraints-lowest.txt
$(STAMP) $(LOWEST): setup.cfg pyproject.toml
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --constraint $(CONSTRAINTS) setuptools wheel
	$(@D)/bin/python -m pip install --quiet --constraint $(CONSTRAINTS) --no-build-isolation --editable '.[dev]'
	touch $@

demo: $(STAMP)  ## Run both stages on generated videos, with and without self-distillation (2 to 3 minutes)
	HF_HUB_OFFLINE=1 $(BIN)/python scripts/demo.py

reproduce-smoke: $(STAMP)  ## Reproduce the paper in small: both stages, eight rows, both tables (2 minutes)
	rm -rf runs/reproduce-smoke
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python scripts/reproduce_paper.py --smoke \
		--output_dir runs/reproduce-smoke --devices 0 1

test: $(STAMP)  ## Run the quick tests (under 5 minutes on two cores)
	$(call SUITE,$(BIN)) -m "not slow"

test-slow: $(STAMP)  ## Run the other tests: guides, reproduction, second launchers
	$(call SUITE,$(BIN)) -m slow

test-lowest: $(LOWEST)  ## Run all tests on the lowest versions that setup.cfg allows (builds .venv-lowest)
	$(call SUITE,.venv-lowest/bin)

test-upstream: $(STAMP)  ## Run the tests that transformers has for its own models on ours (downloads its sdist)
	rm -rf .upstream
	$(BIN)/python -m pip download --quiet --no-deps --no-build-isolation --no-binary transformers --dest .upstream \
		"transformers==$$($(BIN)/python -c 'import transformers; print(transformers.__version__)')"
	cd .upstream && tar -xzf transformers-*.tar.gz && mv transformers-*/tests transformers_tests && touch transformers_tests/__init__.py
	$(BIN)/python -m pip install --quiet --no-deps --target .upstream parameterized==0.9.0
	$(call SUITE,$(BIN)) -o verbosity_subtests=0 tests/upstream

SECONDS_OF_FUZZING = 600

reliability: $(STAMP)  ## Run the tests of all promises and fuzzing, and write docs/reliability.md (40 minutes)
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python tests/reliability/run.py --seconds $(SECONDS_OF_FUZZING)

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## Format the code and apply the fixes of ruff
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

evidence: $(STAMP)  ## Run the experiment of docs/results.md into runs/evidence (hours; a second call resumes)
	PATH="$(CURDIR)/$(BIN):$$PATH" sh benchmarks/evidence.sh runs/evidence

evidence-smoke: $(STAMP)  ## Run the experiment of docs/results.md in small: videos, encoders, grids, pages
	rm -rf runs/evidence-smoke
	PATH="$(CURDIR)/$(BIN):$$PATH" SMOKE=1 sh benchmarks/evidence.sh runs/evidence-smoke

results: $(STAMP)  ## Rewrite the tables and the figure of docs/results.md from docs/data/
	$(BIN)/python benchmarks/results.py

bench: $(STAMP)  ## Print the tables of benchmarks/ against installed peers (hours; peers: pip install -e '.[bench]')
	for table in training_step teacher decoding data_pipeline pretraining evaluation startup scaling; do \
		printf '\n## %s\n\n' $$table; $(BIN)/python benchmarks/$$table.py || exit 1; done

cards: $(STAMP)  ## Write model_cards/ from configs/
	$(BIN)/python -m hf_selfdistill.reporting.recipe_cards

docs: $(STAMP)  ## Build the documentation into site/; warnings are errors
	$(BIN)/mkdocs build --strict

notebook: $(STAMP)  ## Run notebooks/first_run.ipynb, and store it with its outputs (2 minutes)
	HF_HUB_OFFLINE=1 $(BIN)/python notebooks/run.py
