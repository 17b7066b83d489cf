# Bulkhead. `make help` says what there is.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
B := build

CC      := gcc
FUZZ_CC := clang
NASM    := nasm

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wvla -Wundef -Werror
COMMON   := -std=gnu17 -g $(WARNINGS) -Iinclude -I.

include tests/unit/unit.mk
-include boot/boot.mk
-include vmm/load/load.mk
-include core.mk
-include tools/tools.mk
-include tools/check.mk
-include tests/fuzz/fuzz.mk
-include tests/stub/stub.mk
-include tests/guests/guests.mk
-include tests/system/system.mk
-include tests/bench/bench.mk

.PHONY: help clean
help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

clean: ## remove everything that was built
	rm -rf $(B)
