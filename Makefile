# Two commands: `make serve` runs an authority, `make test` checks everything. The rest are their parts.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# make serve
DATA ?= ./data
LISTEN ?= 127.0.0.1:3161
PROFILE ?= release

# make fuzz: inputs tried on each target
RUNS ?= 20000

# OpenSSL for the embedded token is built once, for every profile (scripts/openssl.sh), and found here.
TARGET_FOLDER := $(or $(CARGO_TARGET_DIR),target)
PROGRAM := $(TARGET_FOLDER)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/attestamp

# Verifiers that are newer than the machine's are unpacked once (scripts/verifiers.sh), and found here by the tests.
VERIFIERS := $(abspath $(TARGET_FOLDER))/verifiers

export OPENSSL_NO_VENDOR := 1
export OPENSSL_STATIC := 1
export OPENSSL_DIR := $(abspath $(TARGET_FOLDER))/openssl/install

.PHONY: help
help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-26s %s\n", $$1, $$2 }'

.PHONY: serve
serve: build ## install what is missing, build, initialise DATA=./data, serve on LISTEN=127.0.0.1:3161
	@if [ ! -e '$(DATA)/attestamp.toml' ]; then '$(PROGRAM)' --data '$(DATA)' init; fi
	@exec '$(PROGRAM)' --data '$(DATA)' serve --listen '$(LISTEN)' --print-commands

.PHONY: build
build: setup-build ## build the program (PROFILE=release)
	cargo build --profile '$(PROFILE)' --locked -p attestamp

.PHONY: test
test: setup-test check-format check-lints check-tests check-fuzz check-dependencies ## install what is missing and check everything
	@echo 'make test: format, lints, tests, fuzz targets and dependencies: all passed'

.PHONY: setup-build
setup-build: ## install what the build needs
	@scripts/setup.sh build
	@scripts/openssl.sh '$(abspath $(TARGET_FOLDER))/openssl'

.PHONY: setup-test
setup-test: ## install what the tests need
	@scripts/setup.sh test
	@scripts/verifiers.sh '$(VERIFIERS)'
	@scripts/cargo-tool.sh cargo-deb >/dev/null
	@scripts/openssl.sh '$(abspath $(TARGET_FOLDER))/openssl'

.PHONY: check-format
check-format: ## formatting
	cargo fmt --all --check

.PHONY: check-lints
check-lints: ## clippy, warnings denied
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: check-tests
check-tests: ## unit, integration, doc and interop tests
	ATTESTAMP_PROGRAM='$(abspath $(TARGET_FOLDER))/debug/attestamp' ATTESTAMP_VERIFIERS='$(VERIFIERS)' \
		cargo test --workspace --locked --no-fail-fast

.PHONY: check-fuzz
check-fuzz: ## a smoke run of each fuzz target (RUNS=20000)
	scripts/fuzz-smoke.sh '$(RUNS)'

.PHONY: check-dependencies
check-dependencies: ## cargo deny: licences, sources, bans, advisories
	scripts/check-dependencies.sh

.PHONY: fuzz
fuzz: check-fuzz ## the same as check-fuzz

.PHONY: fmt
fmt: ## format the code
	cargo fmt --all

.PHONY: deb
deb: build ## make the Debian package, from the release build
	@mkdir -p '$(TARGET_FOLDER)/debian'
	@scripts/deb.sh '$(PROGRAM)' '$(abspath $(TARGET_FOLDER))/debian/'
	@ls -l '$(TARGET_FOLDER)'/debian/*.deb

.PHONY: bench
bench: setup-test ## measure and write docs/benchmarks.md: scripts/bench.py
	scripts/bench.py

.PHONY: bench-attestation
bench-attestation: setup-test ## measure what attesting costs: scripts/bench-attestation.sh
	scripts/bench-attestation.sh
