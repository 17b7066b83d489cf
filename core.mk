# The core: everything that runs after the firmware is left, linked to one flat image.
CORE_C   := $(wildcard arch/x86/*.c arch/x86/vmx/*.c arch/x86/emulate/*.c vmm/*.c vmm/load/*.c \
                       vmm/console/*.c drivers/host/*.c drivers/virt/*.c)
CORE_ASM := $(wildcard arch/x86/*.asm arch/x86/vmx/*.asm)
CORE_OBJ := $(CORE_C:%.c=$(B)/core/%.o) $(CORE_ASM:%.asm=$(B)/core/%.asm.o)

# CORE_MORE_FLAGS, CORE_MORE_NASM: for a core with a difference, in a folder of its own (tests/bench/bench.mk).
CORE_FLAGS := $(COMMON) -O2 -ffreestanding -fno-pic -mcmodel=kernel -mno-red-zone \
              -mgeneral-regs-only -fno-omit-frame-pointer -momit-leaf-frame-pointer \
              -fno-optimize-sibling-calls -mpreferred-stack-boundary=3 \
              -fstack-protector-strong -mstack-protector-guard=global -fcf-protection=none \
              -fno-asynchronous-unwind-tables -fno-strict-aliasing -ffunction-sections \
              -I$(B)/gen -DBULKHEAD_VERSION='"$(shell cat VERSION)"' \
              $(CORE_MORE_FLAGS)
# What guests do not wait for is small rather than quick: the image may have 512 KiB (tests/bench/scale.py).
CORE_SMALL := vmm/console/% vmm/load/% vmm/config vmm/config_% vmm/core_file vmm/group vmm/partition \
              vmm/partition_memory vmm/partition_touch vmm/placement arch/x86/vmx/entry_check arch/x86/vmx/entry_check_% \
              arch/x86/vmx/capture arch/x86/vmx/field_text arch/x86/cpu_text arch/x86/guest_cpuid \
              arch/x86/host_cpuid arch/x86/main arch/x86/mtrr arch/x86/panic arch/x86/power arch/x86/smp \
              drivers/host/%
$(CORE_SMALL:%=$(B)/core/%.o): CORE_FLAGS += -Os
# On the path of every exit no frames are made: the caller's frame there would be the guest's.
$(B)/core/arch/x86/vmx/%.o: CORE_FLAGS += -fomit-frame-pointer -foptimize-sibling-calls

CORE_LD    := ld -nostdlib -static -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments \
              --gc-sections --build-id=none -T linker.ld

$(B)/core/%.o: %.c core.mk | $(CORE_GENERATED)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CORE_FLAGS) -MMD -MP -c -o $@ $<

$(B)/core/%.asm.o: %.asm
	@mkdir -p $(@D)
	@echo "  NASM  $<"
	@$(NASM) $(CORE_MORE_NASM) -f elf64 -g -F dwarf -i $(B)/gen/ -i $(dir $<) -o $@ $<

# Linked twice: the second time with the table of function names that the first one tells.
$(B)/core/symbols0.c:
	@mkdir -p $(@D)
	@python3 tools/symbols.py $@

$(B)/core.first.elf: $(CORE_OBJ) $(B)/core/symbols0.o linker.ld
	@echo "  LD    $@"
	@$(CORE_LD) -o $@ $(CORE_OBJ) $(B)/core/symbols0.o

$(B)/core/symbols.c: $(B)/core.first.elf tools/symbols.py
	@python3 tools/symbols.py $< $@

$(B)/core/symbols%.o: $(B)/core/symbols%.c
	@$(CC) $(CORE_FLAGS) -c -o $@ $<

$(B)/core/symbols.o: $(B)/core/symbols.c
	@$(CC) $(CORE_FLAGS) -c -o $@ $<

$(B)/core.elf: $(CORE_OBJ) $(B)/core/symbols.o linker.ld
	@echo "  LD    $@"
	@$(CORE_LD) -o $@ $(CORE_OBJ) $(B)/core/symbols.o

$(B)/core.bin: $(B)/core.elf
	@objcopy -O binary -j .header -j .text -j .rodata -j .symbols -j .data $< $@

-include $(CORE_OBJ:.o=.d)
