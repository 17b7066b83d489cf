# System tests: the real thing on emulated machines, talked to over its serial line.
# SYSTEM_ARGS selects, for example SYSTEM_ARGS='-k console' or '-m "not long"'.
SYSTEM_ARGS   ?=
SYSTEM_PYTHON ?= /usr/bin/python3

# A UEFI application for tests only: the firmware of a machine where VT-x is locked off.
UEFI_TEST_FLAGS = $(filter-out -DBULKHEAD_VERSION%,$(BOOT_FLAGS))

$(B)/uefi/%.o: tests/uefi/%.c boot/boot.mk tests/system/system.mk
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(UEFI_TEST_FLAGS) -c $< -o $@

$(B)/uefi/%.so: $(B)/uefi/%.o
	@ld -nostdlib -znocombreloc -shared -Bsymbolic --no-undefined --fatal-warnings \
		-T $(EFI_LIB)/elf_x86_64_efi.lds $(EFI_LIB)/crt0-efi-x86_64.o $< -L$(EFI_LIB) -lgnuefi -o $@

$(B)/uefi/%.efi: $(B)/uefi/%.so
	@objcopy $(EFI_SECTIONS:%=-j %) --target=efi-app-x86_64 $< $@

.PRECIOUS: $(B)/uefi/%.o $(B)/uefi/%.so

# A program for Linux guests with several CPUs, and Debian's initramfs with it behind: the kernel unpacks one
# archive after the other, each at a multiple of 4 bytes.
STORM_FLAGS := $(COMMON) -O2 -D_GNU_SOURCE

$(B)/storm/bin/storm: tests/system/storm.c tests/system/system.mk
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(STORM_FLAGS) -static -s -o $@ $<

$(B)/guests/storm.initrd.gz: $(B)/storm/bin/storm $(B)/guests/debian.initrd.gz
	@echo "  GUEST $@"
	@cp $(B)/guests/debian.initrd.gz $@.new
	@truncate -s %4 $@.new
	@cd $(B)/storm && echo bin/storm | cpio --quiet --reproducible -o -H newc -R 0:0 >> ../guests/$(@F).new
	@mv $@.new $@

$(B)/lint/tests/system/storm.%: lint_flags = $(STORM_FLAGS)

SYSTEM_FILES := $(B)/core.bin $(B)/bhctl $(B)/bhctl-peer $(B)/stub.img $(B)/bulkhead.efi $(B)/bulkhead-check \
                $(B)/uefi/lock.efi $(PAYLOADS) $(DEBIAN_FILES) $(B)/guests/storm.initrd.gz $(B)/bench/ops.bin \
                $(B)/esp/EFI/BOOT/BOOTX64.EFI

.PHONY: system
system: $(SYSTEM_FILES) ## run the system tests
	@tools/deps.sh test
	$(SYSTEM_PYTHON) -m pytest -p no:cacheprovider -q --durations=8 tests/system $(SYSTEM_ARGS)

.PHONY: test-guests
test-guests: $(B)/core.bin $(B)/stub.img $(B)/bulkhead.img $(DEBIAN_FILES) $(B)/guests/storm.initrd.gz $(SUITE_FILES) ## start guests of many kinds, each by its boot protocol; takes half an hour
	@tools/deps.sh test
	$(SYSTEM_PYTHON) -m pytest -p no:cacheprovider -q --durations=8 tests/guests_suite $(SYSTEM_ARGS)

-include $(wildcard $(B)/uefi/*.d)
