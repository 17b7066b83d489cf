# Format and lint. What passed leaves a stamp in build/lint, so that a second run looks at changes only.
FORMAT_FILES := $(sort $(shell find arch boot drivers include tests tools vmm -name '*.[ch]'))

# Each folder is read with the flags that it is built with. Flags of code generation only gcc knows.
LINT_ONLY_GCC := -maccumulate-outgoing-args -mstack-protector-guard=global -fno-stack-check \
                 -mpreferred-stack-boundary=%
LINT_FLAGS     = $(filter-out $(LINT_ONLY_GCC) -MMD -MP,$(1))
LINT_UNIT     := $(COMMON) -Itests/unit -I$(B)/gen
LINT_C        := $(filter %.c,$(FORMAT_FILES))
LINT_TIDY     := $(LINT_C:%.c=$(B)/lint/%.tidy)
LINT_CPPCHECK := $(LINT_C:%.c=$(B)/lint/%.cppcheck)

$(B)/lint/boot/%:        lint_flags = $(call LINT_FLAGS,$(BOOT_FLAGS))
$(B)/lint/arch/%:        lint_flags = $(call LINT_FLAGS,$(CORE_FLAGS))
$(B)/lint/vmm/%:         lint_flags = $(call LINT_FLAGS,$(CORE_FLAGS))
$(B)/lint/drivers/%:     lint_flags = $(call LINT_FLAGS,$(CORE_FLAGS))
$(B)/lint/%:             lint_flags = $(COMMON)
$(B)/lint/tests/stub/%:  lint_flags = $(call LINT_FLAGS,$(STUB_FLAGS))
$(B)/lint/tests/bench/%: lint_flags = $(call LINT_FLAGS,$(BENCH_FLAGS))
$(B)/lint/tests/guests/%: lint_flags = $(call LINT_FLAGS,$(PAYLOAD_FLAGS))
$(B)/lint/tests/unit/%:  lint_flags = $(LINT_UNIT)
$(B)/lint/tests/fuzz/%:  lint_flags = $(LINT_UNIT)
$(B)/lint/tests/uefi/%:  lint_flags = $(call LINT_FLAGS,$(UEFI_TEST_FLAGS))
# Tests are read lightly. They do arithmetic with small numbers, in long tables and functions, stand in for
# functions of the core and of the C library, and the analyzer takes cmocka's asserts for ways on.
LINT_TEST_CHECKS := --checks=-clang-analyzer-*,-readability-*,-misc-*,-bugprone-macro-parentheses,-bugprone-reserved-identifier,-bugprone-implicit-widening-of-multiplication-result,-bugprone-suspicious-string-compare,-bugprone-not-null-terminated-result,-bugprone-too-small-loop-variable
$(B)/lint/tests/%:       lint_checks = $(LINT_TEST_CHECKS)
# Programs that run on a system see the C library's declarations of the same functions, too.
$(B)/lint/tools/%:       lint_checks = --checks=-readability-redundant-declaration,-readability-inconsistent-declaration-parameter-name

# gcc's list of the headers comes first: clang-tidy writes none.
$(B)/lint/%.tidy: %.c .clang-tidy tools/quality.mk | $(CORE_GENERATED)
	@mkdir -p $(@D)
	@echo "  TIDY  $<"
	@$(CC) $(filter-out -Werror,$(lint_flags)) -MM -MP -MT $@ -MF $@.d $<
	@clang-tidy --quiet $(lint_checks) $< -- $(lint_flags) > $@.log 2>&1 || { cat $@.log; exit 1; }
	@touch $@

# Headers of the system are not looked up: cppcheck knows the C library by itself.
CPPCHECK := cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --platform=unix64 \
            --enable=warning,performance,portability,style \
            --suppressions-list=tools/cppcheck-suppressions.txt \
            --template='{file}:{line}: {severity}: {message} [{id}]' -Iinclude -I. -I$(B)/gen

$(B)/lint/%.cppcheck: %.c tools/cppcheck-suppressions.txt tools/quality.mk $(B)/lint/%.tidy
	@$(CPPCHECK) $(filter -D%,$(lint_flags)) $<
	@touch $@

.PHONY: format format-check lint
format: ## bring all C sources into the project's format, in place
	@clang-format -i $(FORMAT_FILES)

format-check: ## fail, with a list, if `make format` would change anything
	@bad=$$(for f in $(FORMAT_FILES); do clang-format "$$f" | cmp -s - "$$f" || echo "$$f"; done); \
	if [ -n "$$bad" ]; then \
		printf '%s\n' "$$bad" | sed 's|^|  FAIL  not formatted: |'; \
		echo "Do: make format"; exit 1; \
	fi

lint: $(LINT_TIDY) $(LINT_CPPCHECK) ## clang-tidy and cppcheck, warnings are errors

-include $(shell find $(B)/lint -name '*.tidy.d' 2>/dev/null)
