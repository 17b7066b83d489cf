# The guests' DSDT: compiled, warnings are errors, and turned into a C table.
GUEST_DSDT := $(B)/gen/guest_dsdt
CORE_GENERATED += $(GUEST_DSDT).h

$(GUEST_DSDT).h: vmm/load/guest.asl
	@mkdir -p $(@D)
	@echo "  IASL  $<"
	@iasl -vs -we -tc -p $(GUEST_DSDT) $< > $(GUEST_DSDT).log || { cat $(GUEST_DSDT).log; exit 1; }
	@{ echo '/* Made from $<. */'; \
	  sed -n 's/^unsigned char .*/static const u8 guest_dsdt[] =/p; /^{/,/^}/p' \
		$(GUEST_DSDT).hex; } > $@.new
	@mv $@.new $@
