# `make faults` has every kind of fault happen for MINUTES=20, `make faults-quick` each once.
# `make check` is all that is checked without a server: `make lint`, and `make audit`, which asks the package index for known
# faults of dependencies, and fails where it has none to tell.
# `make bench` compares one worker with others on one stack; QUICK=1 with fewer messages.

PYTHON ?= .venv/bin/python

.PHONY: audit bench bench-quick check faults faults-quick lint

bench:
	$(PYTHON) -m bench.compare $(if $(QUICK),--quick)

bench-quick:
	$(PYTHON) -m bench.compare --quick

faults:
	mkdir -p build
	$(PYTHON) -m tests.faults --seed $(or $(SEED),1) --minutes $(or $(MINUTES),20) --json build/faults.json

faults-quick:
	mkdir -p build
	$(PYTHON) -m tests.faults --seed $(or $(SEED),1) --quick --json build/faults-quick.json

check: lint audit

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(dir $(PYTHON))lint-imports
	$(PYTHON) -m pip check

audit:
	mkdir -p build
	$(PYTHON) -m pip freeze --exclude-editable > build/installed.txt
	$(PYTHON) -m pip_audit --strict --disable-pip --no-deps -r build/installed.txt
