# The disk image and the machine to run it on. CONF=FILE takes another configuration than the example; it
# finds the same guest files.
CONF ?= examples/three.conf

GUESTS       := $(B)/guests
DEBIAN_FILES := $(GUESTS)/debian.vmlinuz $(GUESTS)/debian.initrd.gz

# One run of the script makes both. The kernel is fetched only when it is not there.
$(GUESTS)/debian.initrd.gz: tools/guest-debian.sh tools/guests/debian-init
	@echo "  GUEST debian"
	@tools/guest-debian.sh $(GUESTS)

$(GUESTS)/debian.vmlinuz: | $(GUESTS)/debian.initrd.gz
	@test -s $@ || tools/guest-debian.sh $(GUESTS)

$(B)/esp/EFI/BOOT/BOOTX64.EFI: $(B)/bulkhead.efi $(CONF) $(DEBIAN_FILES) $(GUESTS)/rt.bin tools/mkesp.sh $(B)/esp.conf
	@echo "  ESP   $(B)/esp"
	@tools/mkesp.sh $(B)/esp $(B)/bulkhead.efi $(CONF) \
		'\bulkhead\debian\vmlinuz=$(GUESTS)/debian.vmlinuz' \
		'\bulkhead\debian\initrd.gz=$(GUESTS)/debian.initrd.gz' \
		'\bulkhead\rt.bin=$(GUESTS)/rt.bin'
	@touch $@

# Changes when CONF names another file.
$(B)/esp.conf: FORCE
	@mkdir -p $(@D)
	@echo '$(CONF)' | cmp -s - $@ || echo '$(CONF)' > $@

$(B)/bulkhead.img: $(B)/esp/EFI/BOOT/BOOTX64.EFI tools/mkimage.sh
	@echo "  IMG   $@"
	@tools/mkimage.sh $(B)/esp $@

.PHONY: image run guests FORCE
FORCE:

guests: $(DEBIAN_FILES) ## fetch or build the guest systems

image: $(B)/bulkhead.img ## build build/bulkhead.img, to be written to a USB stick

run: ## build all and start it on an emulated PC, with its console on this terminal
	@tools/deps.sh run
	@$(MAKE) --no-print-directory image
	@tools/run.sh $(B)/bulkhead.img
