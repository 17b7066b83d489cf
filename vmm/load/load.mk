# The option ROM that starts a kernel by a partition's BIOS, as a C table.
LINUX_ROM := $(B)/gen/linux_rom
CORE_GENERATED += $(LINUX_ROM).h

$(LINUX_ROM).h: vmm/load/linux_rom.asm
	@mkdir -p $(@D)
	@echo "  NASM  $<"
	@$(NASM) -f bin -o $(LINUX_ROM).bin $<
	@{ echo '/* Made from $<. */'; echo 'static const u8 linux_rom[] = {'; \
	  od -An -v -tx1 $(LINUX_ROM).bin | sed 's/ \(..\)/0x\1,/g'; echo '};'; } > $@.new
	@mv $@.new $@

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
