# Every target sets itself up: a virtual environment with the versions of constraints.txt. No network after that.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo test quality style docs wheel miniature photos start-model

demo: $(READY)
	$(BIN)/python -m hf_hardneg.train demo.yaml

# A process for each core, each with one thread; the tests of a file share what they set up. In their order, the quick
# files of hf_hardneg come last; by default those with few tests would, some of which take a minute.
test: quality
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

quality: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

style: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)
	$(BIN)/mkdocs build --strict

wheel: $(READY)
	$(BIN)/python -m build --no-isolation --outdir dist
	$(BIN)/twine check --strict dist/*

miniature: $(READY)
	$(BIN)/python benchmarks/miniature/run.py

# PHOTOS is a folder in COCO's layout with the splits train and val, such as Flickr8k's. START=ID takes another model.
photos: $(READY)
	$(BIN)/python -m pip install --quiet -r benchmarks/photos/requirements.txt
	$(BIN)/python benchmarks/photos/run.py $(PHOTOS) $(if $(START),--start $(START)) \
		$(if $(ARMS),--arms benchmarks/photos/$(ARMS) --seeds 0 --results benchmarks/photos/$(basename $(ARMS)))

start-model: $(READY)
	$(BIN)/python -m hf_hardneg.training.make_start_model hf_hardneg/start_model

# torch goes first: where only a CPU build of the constrained version is at hand, pip takes that one.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hf_hardneg needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
