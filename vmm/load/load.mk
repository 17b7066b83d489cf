# The guests' DSDT: compiled, warnings are errors, and turned into a C table.
GUEST_DSDT := $(B)/gen/guest_dsdt

$(GUEST_DSDT).h: vmm/load/guest.asl
	@mkdir -p $(@D)
	iasl -vs -we -tc -p $(GUEST_DSDT) $< > $(GUEST_DSDT).log || { cat $(GUEST_DSDT).log; exit 1; }
	{ echo '/* Made from $<. */'; \
	  sed -n 's/^unsigned char .*/static const u8 guest_dsdt[] =/p; /^{/,/^}/p' \
		$(GUEST_DSDT).hex; } > $@.new
	mv $@.new $@
