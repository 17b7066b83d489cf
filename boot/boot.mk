# The UEFI loader: build/bulkhead.efi, with the core in it. CORE_BIN may name another core.
CORE_BIN ?= $(B)/core.bin

BOOT_SOURCES := $(sort $(wildcard boot/*.c))
# The configuration's parser and the CPU levels are shared with the core; nothing else of it is linked.
CONFIG_SOURCES := vmm/config.c vmm/config_check.c vmm/config_keys.c vmm/config_boot.c vmm/config_device.c vmm/config_machine.c vmm/config_net.c vmm/config_policy.c vmm/config_value.c
BOOT_SHARED  := $(CONFIG_SOURCES) vmm/format.c vmm/string.c arch/x86/cpu_level.c
BOOT_ASM     := boot/enter.asm boot/core_image.asm
BOOT_OBJECTS := $(BOOT_SOURCES:%.c=$(B)/efi/%.o) $(BOOT_SHARED:%.c=$(B)/efi/%.o) \
                $(BOOT_ASM:%.asm=$(B)/efi/%.o)

EFI_INCLUDE ?= /usr/include/efi
EFI_LIB     ?= /usr/lib

# UEFI: position-independent, Microsoft's calling convention at the interfaces, 16-bit text,
# interrupts on the current stack (no red zone).
BOOT_FLAGS := $(COMMON) -O2 -isystem $(EFI_INCLUDE) -isystem $(EFI_INCLUDE)/x86_64 \
              -ffreestanding -fpic -fvisibility=hidden -fshort-wchar -mno-red-zone \
              -mgeneral-regs-only -maccumulate-outgoing-args -fno-stack-protector -fno-stack-check \
              -DGNU_EFI_USE_MS_ABI -DBULKHEAD_VERSION='"$(shell cat VERSION)"' -MMD -MP

EFI_SECTIONS := .text .sdata .data .rodata .dynamic .dynsym .rel .rela .rel.* .rela.* .reloc

$(B)/bulkhead.efi: $(B)/efi/bulkhead.so
	@echo "  EFI   $@"
	@objcopy $(EFI_SECTIONS:%=-j %) --target=efi-app-x86_64 $< $@

$(B)/efi/bulkhead.so: $(BOOT_OBJECTS)
	@echo "  LD    $@"
	@ld -nostdlib -znocombreloc -shared -Bsymbolic --no-undefined --fatal-warnings \
		-T $(EFI_LIB)/elf_x86_64_efi.lds $(EFI_LIB)/crt0-efi-x86_64.o $(BOOT_OBJECTS) \
		-L$(EFI_LIB) -lgnuefi -o $@

$(B)/efi/%.o: %.c boot/boot.mk VERSION
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(BOOT_FLAGS) -c $< -o $@

$(B)/efi/boot/core_image.o: $(CORE_BIN)

$(B)/efi/%.o: %.asm boot/boot.mk
	@mkdir -p $(@D)
	@echo "  NASM  $<"
	@$(NASM) -f elf64 -Wall -Werror -DCORE_BIN='"$(CORE_BIN)"' $< -o $@

-include $(wildcard $(B)/efi/boot/*.d $(B)/efi/vmm/*.d $(B)/efi/arch/x86/*.d)
