# Bulkhead. `make help` says what there is.
.DEFAULT_GOAL := help
B := build

# Both cores are used without being asked for; -jN on the command line still counts. What a person watches
# while it runs is not held back until it has finished.
WATCHED := run test system test-guests fuzz bench bench-operations
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
ifeq ($(filter $(WATCHED),$(MAKECMDGOALS)),)
MAKEFLAGS += --output-sync
endif
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory

CC      := gcc
FUZZ_CC := clang
NASM    := nasm

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wvla -Wundef -Werror
COMMON   := -std=gnu17 -g $(WARNINGS) -Iinclude -I.

# pytest names what failed and what was skipped, and why.
export PYTEST_ADDOPTS := -rfEs

# What `make test` runs, in this order.
TEST_LAYERS := build format-check lint unit fuzz-short system

include boot/boot.mk
include vmm/load/load.mk
include core.mk
include tools/tools.mk
include tools/check.mk
include tools/bhctl.mk
include tests/unit/unit.mk
include tests/fuzz/fuzz.mk
include tests/stub/stub.mk
-include tests/guests/guests.mk
-include tests/system/system.mk
-include tests/bench/bench.mk
include tools/quality.mk

# A recipe that fails leaves no half-made file.
.DELETE_ON_ERROR:

.PHONY: help build core efi test clean

build: core efi check bhctl image ## all of the next five

core: $(B)/core.bin ## the hypervisor proper: build/core.bin

efi: $(B)/bulkhead.efi ## the UEFI application with the core in it: build/bulkhead.efi

test: ## everything: build, format-check, lint, unit, fuzz-short, system
	@tools/deps.sh test
	@MAKE='$(MAKE)' python3 tools/test_all.py --log-dir $(B)/test \
		$(filter -j%,$(MAKEFLAGS)) $(MAKEOVERRIDES) -- $(TEST_LAYERS)

clean: ## remove everything that was built
	rm -rf $(B)

# Variables, as `make help` shows them:
## CONF=FILE: the configuration for `image` and `run` (examples/zoo.conf)
## BULKHEAD_CASES=N: how many cases `emulate-long` tries, each way (10000000)
## FUZZ_SECONDS=N: how long `fuzz` fuzzes each target (60)
## SYSTEM_ARGS=...: more arguments for pytest in `system`, e.g. SYSTEM_ARGS="-k console -x"

# `make help`: targets by group; those that no group names come last.
HELP_GROUPS := "Build: build core efi check bhctl image guests payloads" \
               "Run: run" \
               "Test: test unit emulate-long fuzz-short fuzz system test-guests \
                     bench bench-operations bench-ceilings bench-counts \
                     bench-chart" \
               "Quality: format format-check lint" \
               "Other:"

help: ## this list
	@awk -v groups='$(HELP_GROUPS)' -f tools/help.awk $(MAKEFILE_LIST)
