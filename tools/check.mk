# bulkhead-check, the host program that checks a configuration file.
CHECK_SOURCES := tools/bulkhead-check.c $(CONFIG_SOURCES) vmm/format.c

$(B)/bulkhead-check: $(CHECK_SOURCES) $(wildcard include/bulkhead/*.h vmm/config_*.h)
	@mkdir -p $(@D)
	@echo "  CC    $@"
	@$(CC) $(COMMON) -O2 -o $@ $(CHECK_SOURCES)

.PHONY: check
check: $(B)/bulkhead-check ## build the checker of configuration files
