# Unit tests: tests/unit/PATH/NAME_test.c tests PATH/NAME.c. It links that source, if there is one, and
# whatever a line "/* links: a.c b.c */" in it names besides.
UNIT_TESTS := $(shell find tests/unit -name '*_test.c' | sort)
UNIT_BINS  := $(UNIT_TESTS:tests/unit/%.c=$(B)/unit/%)
UNIT_FLAGS := $(COMMON) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
              -fno-omit-frame-pointer -Itests/unit -I$(B)/gen -MMD -MP

unit_subject = $(wildcard $(patsubst tests/unit/%_test.c,%.c,$(1)))
unit_links   = $(shell sed -n 's|^/\* links: \(.*\) \*/|\1|p' $(1))

define unit_rule
$(B)/unit/$(1:tests/unit/%.c=%): $(1) $(call unit_subject,$(1)) $(call unit_links,$(1))
	@mkdir -p $$(@D)
	@echo "  CC    $(1)"
	@$(CC) $(UNIT_FLAGS) -o $$@ $(1) $(call unit_subject,$(1)) $(call unit_links,$(1)) -lcmocka
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,$(t))))

$(B)/unit/vmm/load/acpi_test: $(B)/gen/guest_dsdt.h

.PHONY: unit
unit: $(UNIT_BINS) ## build and run the unit tests
	@set -e; for t in $(UNIT_BINS); do echo "== $$t"; $$t; done

-include $(shell find $(B)/unit -name '*.d' 2>/dev/null)
