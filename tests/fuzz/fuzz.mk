# Fuzz targets: tests/fuzz/NAME_fuzz.c links whatever a line "/* links: a.c b.c */" in it names. Seeds are
# in tests/fuzz/corpus/NAME/; what a run finds besides goes to build/fuzz/corpus/NAME/, and an input that
# fails to build/fuzz/NAME-crash-*.
FUZZ_SECONDS ?= 60
FUZZ_TESTS   := $(sort $(wildcard tests/fuzz/*_fuzz.c))
FUZZ_HEADERS := $(shell find include arch vmm drivers tests/fuzz tests/unit -name '*.h')
FUZZ_NAMES   := $(FUZZ_TESTS:tests/fuzz/%_fuzz.c=%)
FUZZ_BINS    := $(FUZZ_NAMES:%=$(B)/fuzz/%_fuzz)
FUZZ_FLAGS   := $(filter-out -Werror,$(COMMON)) -Itests/unit -O1 -fsanitize=fuzzer,address,undefined \
                -fno-sanitize-recover=all -fno-omit-frame-pointer

# clang leaves no one dependency file for a program of several sources, so all headers count.
define fuzz_rule
$(B)/fuzz/$(1)_fuzz: tests/fuzz/$(1)_fuzz.c $(call test_links,tests/fuzz/$(1)_fuzz.c) \
                     $(FUZZ_HEADERS)
	@mkdir -p $$(@D)
	@echo "  CC    $$@"
	@$(FUZZ_CC) $(FUZZ_FLAGS) -o $$@ $$(filter %.c,$$^)
endef
$(foreach n,$(FUZZ_NAMES),$(eval $(call fuzz_rule,$(n))))

fuzz_run = python3 tools/test_fuzz.py --log-dir $(B)/test/fuzz --build-dir $(B)/fuzz \
	--seconds $(1) $(FUZZ_NAMES)

.PHONY: fuzz fuzz-short
fuzz: $(FUZZ_BINS) ## fuzz every parser, FUZZ_SECONDS (60) each
	@$(call fuzz_run,$(FUZZ_SECONDS))

fuzz-short: $(FUZZ_BINS) ## fuzz every parser for 5 seconds each
	@$(call fuzz_run,5)
