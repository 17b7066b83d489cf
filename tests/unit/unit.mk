# Unit tests: tests/unit/PATH/NAME_test.c tests PATH/NAME.c. It links that source, if there is one, and
# whatever lines "/* links: a.c b.c */" in it name besides, and "/* libraries: a */" of the machine. Every
# source is compiled once for all of them.
UNIT_TESTS := $(sort $(shell find tests/unit -name '*_test.c'))
UNIT_BINS  := $(UNIT_TESTS:tests/unit/%.c=$(B)/unit/%)
UNIT_OBJ   := $(B)/unit/obj
UNIT_FLAGS := $(COMMON) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
              -fno-omit-frame-pointer -Itests/unit -I$(B)/gen

test_links  = $(shell sed -n 's|^/\* links: \(.*\) \*/|\1|p' $(1))
test_libraries = $(shell sed -n 's|^/\* libraries: \(.*\) \*/|\1|p' $(1))
# The sources of the test $(1).
unit_source = $(1) $(wildcard $(patsubst tests/unit/%_test.c,%.c,$(1))) $(call test_links,$(1))

$(UNIT_OBJ)/%.o: %.c tests/unit/unit.mk | $(CORE_GENERATED)
	@mkdir -p $(@D)
	@echo "  CC    $< (unit)"
	@$(CC) $(UNIT_FLAGS) -MMD -MP -c -o $@ $<

define unit_rule
$(1:tests/unit/%.c=$(B)/unit/%): $(patsubst %.c,$(UNIT_OBJ)/%.o,$(call unit_source,$(1)))
	@mkdir -p $$(@D)
	@echo "  LD    $$@"
	@$(CC) $(UNIT_FLAGS) -o $$@ $$^ -lcmocka $(addprefix -l,$(call test_libraries,$(1)))
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,$(t))))

.PHONY: unit
unit: $(UNIT_BINS) ## build and run the unit tests
	@python3 tools/test_unit.py --log-dir $(B)/test/unit $(UNIT_BINS)

EMULATE_LONG   := decode_reference_test execute_native_test
BULKHEAD_CASES ?= 10000000

.PHONY: emulate-long
emulate-long: $(EMULATE_LONG:%=$(B)/unit/arch/x86/emulate/%) ## the emulator against Zydis and the CPU
	@for test in $^; do BULKHEAD_CASES=$(BULKHEAD_CASES) $$test || exit 1; done

-include $(shell find $(UNIT_OBJ) -name '*.d' 2>/dev/null)
