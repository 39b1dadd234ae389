# The commands of the README: `make demo`, `make reconstruct` and `make test`. Each creates .venv on its first call.

PYTHON ?= python3
VENV ?= .venv
PHOTOS ?= demo/photos/room
OUT ?= scene
ARGS ?=
BIN := $(VENV)/bin
INSTALL := PYTHON='$(PYTHON)' VENV='$(VENV)' sh ./install.sh

.PHONY: demo reconstruct test test-slow check format clean

demo: $(VENV)/.demo
	$(BIN)/pointmap demo $(ARGS)

reconstruct: $(VENV)/.core
	$(BIN)/pointmap reconstruct $(PHOTOS) -o '$(OUT)' $(ARGS)

# Tests are small: processes side by side, of one thread each, take half the time of threads that wait for each other.
test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal -m 'not slow and not gpu' $(ARGS)

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# pycolmap has no wheel for some machines; without it, cameras come from the network and keypoints alone.
$(VENV)/.core: pyproject.toml install.sh
	$(INSTALL) '.[colmap]' || $(INSTALL) .
	@touch $@

$(VENV)/.demo: $(VENV)/.core
	$(INSTALL) '.[demo,colmap]' || $(INSTALL) '.[demo]'
	@touch $@

# Some packages have no wheel for some machines; tests that need them are skipped there, as without browser or Node.
$(VENV)/.dev: $(VENV)/.core
	$(INSTALL) '.[dev,heif,colmap,match,view,usd,exr,video,demo,eval,ray]' || $(INSTALL) '.[dev]'
	@touch $@

clean:
	rm -rf '$(VENV)' build *.egg-info
