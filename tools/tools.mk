# The disk image and the machine to run it on. CONF=FILE takes another configuration than the example; it
# finds the same guest files.
CONF ?= examples/zoo.conf

GUESTS        := $(B)/guests
DEBIAN_FILES  := $(GUESTS)/debian.vmlinuz $(GUESTS)/debian.initrd.gz
# What the examples have besides.
ZOO_FILES     := $(GUESTS)/memtest64.bin $(GUESTS)/memtest32.bin $(GUESTS)/gnumach \
                 $(GUESTS)/debian686.vmlinuz $(GUESTS)/debian686.initrd.gz
# More guests, for `make test-guests`.
SUITE_FETCHED := $(GUESTS)/generic.vmlinuz $(GUESTS)/realtime.vmlinuz $(GUESTS)/cyclictest.initrd.gz \
                 $(GUESTS)/pae.vmlinuz $(GUESTS)/installer.vmlinuz $(GUESTS)/installer.initrd.gz $(GUESTS)/xen
# Those that firmware starts, and firmware.
UEFI_FILES    := $(GUESTS)/uefi.img $(GUESTS)/uefi-tools.img $(GUESTS)/uboot32.rom $(GUESTS)/uboot64.rom
BIOS_FILES    := $(addprefix $(GUESTS)/,grub.core grub.boot syslinux syslinux.mbr memdisk ipxe.lkrn invaders)
SUITE_FILES   := $(ZOO_FILES) $(SUITE_FETCHED) $(UEFI_FILES) $(BIOS_FILES) $(GUESTS)/realtime.initrd.gz \
                 $(GUESTS)/debian.vmlinux $(GUESTS)/init32.initrd.gz $(GUESTS)/sector.bin

# One run of the script makes both. The kernel is fetched only when it is not there.
$(GUESTS)/debian.initrd.gz: tools/guest-debian.sh tools/guest-common.sh tools/guests/debian-init
	@echo "  GUEST debian"
	@tools/guest-debian.sh $(GUESTS)

$(GUESTS)/debian.vmlinuz: | $(GUESTS)/debian.initrd.gz
	@test -s $@ || tools/guest-debian.sh $(GUESTS)

# Likewise. Not beside the other script: either may have to bring apt's lists up to date.
$(GUESTS)/debian686.initrd.gz: tools/guest-zoo.sh tools/guest-common.sh tools/guests/debian-init \
                               | $(GUESTS)/debian.initrd.gz
	@echo "  GUEST zoo"
	@tools/guest-zoo.sh $(GUESTS)

$(filter-out %.initrd.gz,$(ZOO_FILES)): | $(GUESTS)/debian686.initrd.gz
	@test -s $@ || tools/guest-zoo.sh $(GUESTS)

# The one that is last to come stands for all.
$(GUESTS)/pae.vmlinuz: tools/guest-suite.sh tools/guest-common.sh | $(GUESTS)/debian686.initrd.gz
	@echo "  GUEST suite"
	@tools/guest-suite.sh $(GUESTS)
	@touch $@

$(filter-out %/pae.vmlinuz,$(SUITE_FETCHED)): | $(GUESTS)/pae.vmlinuz
	@test -s $@ || tools/guest-suite.sh $(GUESTS)

# The disk is made last of all.
$(GUESTS)/uefi.img: tools/guest-uefi.sh tools/guest-common.sh tools/mkimage.sh $(DEBIAN_FILES) \
                    | $(GUESTS)/pae.vmlinuz
	@echo "  GUEST uefi"
	@tools/guest-uefi.sh $(GUESTS)

$(filter-out %/uefi.img,$(UEFI_FILES)): | $(GUESTS)/uefi.img
	@test -s $@ || tools/guest-uefi.sh $(GUESTS)

# GRUB is made last of all.
$(GUESTS)/grub.core: tools/guest-bios.sh tools/guest-common.sh | $(GUESTS)/uefi.img
	@echo "  GUEST bios"
	@tools/guest-bios.sh $(GUESTS)

$(filter-out %/grub.core,$(BIOS_FILES)): | $(GUESTS)/grub.core
	@test -s $@ || tools/guest-bios.sh $(GUESTS)

# A kernel takes one behind the other.
$(GUESTS)/realtime.initrd.gz: $(GUESTS)/debian.initrd.gz $(GUESTS)/cyclictest.initrd.gz
	@cat $^ > $@

$(GUESTS)/debian.vmlinux: $(GUESTS)/debian.vmlinuz tools/vmlinux.py
	@echo "  ELF   $@"
	@tools/vmlinux.py $< $@.new
	@mv $@.new $@

$(GUESTS)/sector.bin: tests/guests_suite/sector.asm
	@mkdir -p $(@D)
	@$(NASM) -f bin -o $@ $<

# A system for 32-bit kernels: one program without any library.
$(GUESTS)/init32: tests/guests_suite/init32.asm
	@mkdir -p $(@D)
	@$(NASM) -f elf32 -o $@.o $<
	@ld -m elf_i386 -nostdlib -static -z noexecstack -o $@ $@.o

$(GUESTS)/init32.initrd.gz: $(GUESTS)/init32
	@echo "  GUEST $@"
	@rm -rf $@.root && mkdir -p $@.root/dev $@.root/proc && cp $< $@.root/init
	@find $@.root -exec touch -h -d @0 {} +
	@(cd $@.root && find . | LC_ALL=C sort | \
		cpio --quiet --reproducible -o -H newc -R 0:0) | gzip -9n > $@
	@rm -rf $@.root

$(B)/esp/EFI/BOOT/BOOTX64.EFI: $(B)/bulkhead.efi $(CONF) $(DEBIAN_FILES) $(ZOO_FILES) $(GUESTS)/rt.bin \
                               tools/mkesp.sh $(B)/esp.conf
	@echo "  ESP   $(B)/esp"
	@tools/mkesp.sh $(B)/esp $(B)/bulkhead.efi $(CONF) \
		'\bulkhead\debian\vmlinuz=$(GUESTS)/debian.vmlinuz' \
		'\bulkhead\debian\initrd.gz=$(GUESTS)/debian.initrd.gz' \
		'\bulkhead\debian686\vmlinuz=$(GUESTS)/debian686.vmlinuz' \
		'\bulkhead\debian686\initrd.gz=$(GUESTS)/debian686.initrd.gz' \
		'\bulkhead\memtest.bin=$(GUESTS)/memtest64.bin' \
		'\bulkhead\gnumach=$(GUESTS)/gnumach' \
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

guests: $(DEBIAN_FILES) $(ZOO_FILES) ## fetch or build the guest systems

image: $(B)/bulkhead.img ## build build/bulkhead.img, to be written to a USB stick

run: ## build all and start it on an emulated PC, with its console on this terminal
	@tools/deps.sh run
	@$(MAKE) --no-print-directory image
	@tools/run.sh $(B)/bulkhead.img
