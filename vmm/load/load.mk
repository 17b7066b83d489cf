# The guests' DSDT: compiled, warnings are errors, and turned into a C table.
GUEST_DSDT := $(B)/gen/guest_dsdt.h

$(GUEST_DSDT): vmm/load/guest.asl
	@mkdir -p $(@D)
	iasl -vs -we -tc -p $(@:.h=) $< > $(@:.h=.log) || { cat $(@:.h=.log); exit 1; }
	{ echo '/* Made from $<. */'; \
	  sed -n 's/^unsigned char .*/static const u8 guest_dsdt[] =/p; /^{/,/^}/p' $(@:.h=.hex); } > $@.new
	mv $@.new $@
