# `make test`, `make docs` and `make demo` work from a fresh clone, in a .venv with the exact versions of constraints.txt.
# `make test-newest` installs the newest versions that pyproject.toml allows into another, each time anew, and runs what
# other libraries can break there: reading, saving, adapters and training. The oldest transformers is tested by
#   make test-newest NEWEST=.venv-oldest WITH='transformers==5.23.*'
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
NEWEST ?= .venv-newest
WITH ?=
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

NEWEST_TESTS := tests/cli/test_doctor.py tests/cli/test_read.py tests/hub/test_hub_remote_code.py \
	tests/model/test_decoder_cache.py tests/model/test_drafting.py tests/model/test_fused_decoder.py \
	tests/model/test_reader_checkpoint.py tests/model/test_reader_generation.py tests/model/test_reader_losses.py \
	tests/model/test_stock_encoder_decoder.py tests/pretrained/test_converted_reader.py tests/reader \
	tests/train/test_building.py tests/train/test_checkpoint.py tests/train/test_lora.py tests/train/test_loop.py

.PHONY: test test-newest docs demo clean

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

# torch alone is that of constraints.txt: its newest is a CUDA build of several GB.
test-newest:
	test -x $(NEWEST)/bin/python || $(PYTHON) -m venv $(NEWEST)
	grep '^torch==' constraints.txt > $(NEWEST)/torch.txt
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(NEWEST)/torch.txt \
		--upgrade --upgrade-strategy eager --editable . pytest pytest-xdist $(WITH)
	$(NEWEST)/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(NEWEST_TESTS)

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -W --keep-going -q docs build/site

demo: $(VENV)/.installed
	$(BIN)/python scripts/demo.py

clean:
	rm -rf $(VENV) $(NEWEST)

# The stamps make a second call instant; a change of the requirements installs again.
$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP_INSTALL) --editable '.[demo,dev,evidence,onnx,pages]'
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP_INSTALL) --editable '.[docs]'
	touch $@
