# Everything runs in .venv, which is made when it is missing.
#   make demo   distil a student and run it in C++ (DATA=folder for real recordings, QUICK=1 for a minute's version)
#   make test   C++ and Python tests
#   make test-arm, make test-old-cpus, make test-mcu   C++ tests as other processors, under qemu
#   make test-windows   C++ tests as Windows programs, under wine
#   make test-browser   the monitor's page in a real browser (SCREENSHOTS=1 makes those of the documentation)
#   make bench  speed, beside PyTorch and beside the runtimes that `make bench-peers` installs
#   make bench-arm   instructions and modelled cycles on 64-bit ARM, against the committed ones (UPDATE=1 writes them)
#   make docs   the documentation as a site, in build/docs
#   make tutorials   runs what docs/tutorials show (UPDATE=1 writes what came out)
#   make wheel  a wheel for this machine, held to its sizes, tested in an empty environment
#   make wheel-aarch64   a wheel for 64-bit ARM Linux, tested under qemu
#   make lint   formatting, style, types
#   make format put the formatting right
#   make clean  remove what was built

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= $(shell nproc)
DATA ?=
QUICK ?=
UPDATE ?=
SCREENSHOTS ?=
MCUS ?= m4 m7 m33 m55
CXX_FILES = $(shell find cpp tests/cpp tests/mcu -name '*.cpp' -o -name '*.hpp' -o -name '*.h' -o -name '*.inl')
PACKAGE_FILES := CMakeLists.txt $(shell find cmake cpp python -type f -not -name '*.so' -not -path '*/__pycache__/*')
# cmake looks for ninja here.
export PATH := $(abspath $(BIN)):$(PATH)
export CMAKE_BUILD_PARALLEL_LEVEL = $(JOBS)
export CTEST_PARALLEL_LEVEL = $(JOBS)

.PHONY: demo test test-cpp test-python test-arm test-mcu test-old-cpus test-windows test-browser sanitize bench bench-arm \
  bench-peers docs tutorials wheel wheel-aarch64 lint format clean

demo: $(VENV)/installed
	$(BIN)/python -m training.demo $(if $(DATA),--data $(DATA)) $(if $(QUICK),--quick)

test: test-cpp test-python

test-cpp: $(VENV)/installed
	$(BIN)/cmake --preset release
	$(BIN)/cmake --build --preset release
	$(BIN)/ctest --preset release

# The same C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer.
sanitize: $(VENV)/installed
	$(BIN)/cmake --preset sanitize
	$(BIN)/cmake --build --preset sanitize
	$(BIN)/ctest --preset sanitize

test-arm: $(VENV)/installed
	@cmake/system_packages.sh $(PYTHON) aarch64-linux-gnu-g++:g++-aarch64-linux-gnu \
	  arm-linux-gnueabihf-g++:g++-arm-linux-gnueabihf qemu-aarch64:qemu-user qemu-arm:qemu-user
	cmake/emulated_tests.sh aarch64 cortex-a53=neon cortex-a76=neon_dot max=neon_dot
	cmake/emulated_tests.sh armhf cortex-a7=scalar

# No illegal instruction on a CPU without AVX, AVX2 or FMA.
test-old-cpus: $(VENV)/installed
	@cmake/system_packages.sh $(PYTHON) qemu-x86_64:qemu-user
	cmake/emulated_tests.sh old-cpus qemu64=scalar Nehalem=scalar SandyBridge=scalar Haswell=avx2

# A wine server of each program's own would hold its pipes open for seconds after its end.
test-windows: $(VENV)/installed
	@cmake/system_packages.sh $(PYTHON) x86_64-w64-mingw32-g++-posix:g++-mingw-w64-x86-64-posix wine:"wine wine64"
	$(BIN)/cmake --preset windows
	$(BIN)/cmake --build --preset windows
	mkdir -p build/wine && WINEPREFIX=$(abspath build/wine) wineserver --persistent=5
	$(BIN)/ctest --preset windows --label-exclude build

# Models used in place in flash, by firmware for Cortex-M, against their bits and the limits of such devices.
test-mcu: $(VENV)/installed
	@cmake/system_packages.sh $(PYTHON) qemu-system-arm:qemu-system-arm \
	  arm-none-eabi-g++:"gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-dev"
	$(BIN)/python -m tests.mcu_models build/mcu/models
	cmake/mcu_tests.sh $(abspath build/mcu/models) $(MCUS)
	$(BIN)/python -m benchmarks.hardware $(if $(UPDATE),--update)

test-python: $(VENV)/installed
	$(BIN)/python -m pytest -n $(JOBS)

# Without Chromium these tests are skipped by name; here they are not.
test-browser: $(VENV)/installed
	@cmake/system_packages.sh $(PYTHON) chromium:chromium
	PPGFAST_BROWSER=required $(BIN)/python -m pytest tests/browser
	$(if $(SCREENSHOTS),$(BIN)/python -m tests.browser.screenshots)

bench: $(VENV)/installed
	$(BIN)/python -m benchmarks

bench-arm: $(VENV)/installed
	@cmake/system_packages.sh $(PYTHON) aarch64-linux-gnu-g++:g++-aarch64-linux-gnu qemu-aarch64:qemu-user \
	  llvm-mca-19:llvm-19
	$(BIN)/cmake --preset aarch64
	$(BIN)/cmake --build --preset aarch64 --target ppgfast_static
	$(BIN)/python -m benchmarks.arm build/aarch64 $(if $(UPDATE),--update)

# Warnings are errors, among them a link inside the pages that leads nowhere.
docs: $(VENV)/installed
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --fresh-env -d build/doctrees docs build/docs

tutorials: $(VENV)/installed
	UPDATE=$(UPDATE) $(BIN)/python -m pytest --durations=5 docs/tutorials

wheel: $(VENV)/installed
	cmake/wheel.sh $(abspath $(BIN)/python)

wheel-aarch64: $(VENV)/installed
	@cmake/system_packages.sh $(PYTHON) aarch64-linux-gnu-g++:g++-aarch64-linux-gnu qemu-aarch64:qemu-user
	cmake/aarch64_wheel.sh $(BIN)/python cortex-a53=neon cortex-a76=neon_dot

# The other runtimes. LiteRT's converter and its runtime do not share an environment: the second one converts.
bench-peers: $(VENV)/installed build/litert/installed
	$(BIN)/python -m pip install --quiet --no-build-isolation --constraint constraints.txt '.[bench-peers]'
	$(BIN)/python -m benchmarks.convert
	build/litert/bin/python -m benchmarks.convert litert

build/litert/installed: benchmarks/litert.txt constraints.txt
	$(PYTHON) -m venv build/litert
	build/litert/bin/python -m pip install --quiet --constraint constraints.txt --requirement benchmarks/litert.txt
	touch $@

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy python/ppgfast training
	$(BIN)/clang-format --dry-run --Werror $(CXX_FILES)

format: $(VENV)/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(CXX_FILES)

clean:
	rm -rf build $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks

# The first time and when a version changed, everything; after that the package alone, when one of its files changed.
$(VENV)/installed: pyproject.toml constraints.txt $(PACKAGE_FILES)
	@cmake/system_packages.sh $(PYTHON)
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	if [ $(VENV)/tools -nt pyproject.toml ] && [ $(VENV)/tools -nt constraints.txt ]; then \
	  $(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --force-reinstall .; \
	else \
	  $(BIN)/python -m pip install --quiet --upgrade pip && \
	  $(BIN)/python -m pip install --quiet --constraint constraints.txt '.[train,dev,bench]' && \
	  touch $(VENV)/tools; \
	fi
	touch $@
