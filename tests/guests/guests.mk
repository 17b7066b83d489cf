# Payloads for partitions with boot = raw: build/guests/NAME.bin. Those in C are entered in long mode at 1 MiB
# and link what they share; hello32 and hello16 stand alone.
PAYLOADS_C   := hello idle ticker triple spin spinon unknown resetcf9 reset92 reset64 vmxall msrall portall \
                apic memory emulate mmio moves strings debug junk hidden paravirt \
                rt count tick churn flood exitstorm ipistorm timerstorm clockstorm touch garbage havoc fpu \
                sleeper switcher platform button guestpanic smp pieces \
                netload diskload hostile channel
PAYLOADS_ASM := hello32 hello16 known rom flash
# ELF kernels, by boot protocol: one program for all of them.
PAYLOADS_ELF := multiboot1 multiboot2 pvh
PAYLOADS     := $(PAYLOADS_C:%=$(B)/guests/%.bin) $(PAYLOADS_ASM:%=$(B)/guests/%.bin) \
                $(PAYLOADS_ELF:%=$(B)/guests/%.elf)

PAYLOAD_SHARED := $(B)/guests/start.o $(B)/guests/guest.o $(B)/guests/apic_common.o \
                  $(B)/guests/alarm.o $(B)/guests/format.o $(B)/guests/string.o
# An address below 2 GiB fits 32 bits, hence no PIC; exceptions come on other stacks, but interrupts do not.
PAYLOAD_FLAGS  := $(COMMON) -O2 -ffreestanding -mgeneral-regs-only -mno-red-zone -fno-pic -mcmodel=small \
                  -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -MMD -MP

$(B)/guests/%.o: tests/guests/%.c tests/guests/guests.mk
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(PAYLOAD_FLAGS) -c -o $@ $<

$(B)/guests/%.o: vmm/%.c tests/guests/guests.mk
	@mkdir -p $(@D)
	@echo "  CC    $< (for payloads)"
	@$(CC) $(PAYLOAD_FLAGS) -c -o $@ $<

$(B)/guests/start.o: tests/guests/start.asm
	@mkdir -p $(@D)
	@$(NASM) -f elf64 -o $@ $<

$(B)/guests/apic.elf: $(B)/guests/apic_ipi.o $(B)/guests/apic_timer.o $(B)/guests/apic_board.o
$(B)/guests/smp_start.o: tests/guests/smp_start.asm
	@mkdir -p $(@D)
	@$(NASM) -f elf64 -o $@ $<

$(B)/guests/smp.elf $(B)/guests/pieces.elf: $(B)/guests/smp_start.o
$(B)/guests/netload.elf $(B)/guests/diskload.elf: $(B)/guests/virtio.o
$(B)/guests/garbage.elf $(B)/guests/havoc.elf: $(B)/guests/garbage_write.o
$(B)/guests/%.elf: $(B)/guests/%.o $(PAYLOAD_SHARED) tests/guests/guest.ld
	@echo "  LD    $@"
	@ld -nostdlib -static -z noexecstack --no-warn-rwx-segments --build-id=none -T tests/guests/guest.ld \
		-o $@ $(filter %.o,$^)

$(B)/guests/%.bin: $(B)/guests/%.elf
	@objcopy -O binary $< $@

$(PAYLOADS_ASM:%=$(B)/guests/%.bin): $(B)/guests/%.bin: tests/guests/%.asm \
                                     tests/guests/say_and_off.inc
	@mkdir -p $(@D)
	@$(NASM) -f bin -o $@ $<

$(B)/guests/boot32.o: tests/guests/boot32.c tests/guests/guests.mk
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(filter-out -mcmodel=% -mno-red-zone,$(PAYLOAD_FLAGS)) -m32 -c -o $@ $<

$(PAYLOADS_ELF:%=$(B)/guests/%.elf): $(B)/guests/%.elf: tests/guests/boot32.asm tests/guests/boot32.ld \
                                     $(B)/guests/boot32.o
	@echo "  LD    $@"
	@$(NASM) -f elf32 -D$(shell echo $* | tr a-z A-Z) -o $(@:.elf=.o) $<
	@ld -m elf_i386 -nostdlib -static -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments \
		--build-id=none -T tests/guests/boot32.ld -o $@ $(@:.elf=.o) $(B)/guests/boot32.o

.PHONY: payloads
.PRECIOUS: $(B)/guests/%.o $(B)/guests/%.elf
payloads: $(PAYLOADS) ## build the payloads that the system tests run

-include $(wildcard $(B)/guests/*.d)
