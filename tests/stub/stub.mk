# The test-only loader for a legacy BIOS: a disk image that starts the bundle in memory (tools/mkbundle.py).
STUB_C     := $(wildcard tests/stub/*.c)
STUB_OBJ   := $(STUB_C:tests/stub/%.c=$(B)/stub/%.o)
STUB_FLAGS := $(COMMON) -O2 -ffreestanding -mgeneral-regs-only -mno-red-zone -fno-pic -fno-stack-protector \
              -fno-asynchronous-unwind-tables -MMD -MP

$(B)/stub/%.o: tests/stub/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(STUB_FLAGS) -c -o $@ $<

$(B)/stub/start.o: tests/stub/start.asm
	@mkdir -p $(@D)
	@echo "  NASM  $<"
	@$(NASM) -f elf64 -o $@ $<

$(B)/stub/stub.elf: $(B)/stub/start.o $(STUB_OBJ) tests/stub/stub.ld
	@echo "  LD    $@"
	@ld -nostdlib -static -no-pie --build-id=none -z max-page-size=4096 --no-warn-rwx-segments \
	   -T tests/stub/stub.ld -o $@ $(B)/stub/start.o $(STUB_OBJ)

# One cylinder of 16 heads and 63 sectors: emulators refuse disks that are no whole number of them.
$(B)/stub.img: $(B)/stub/stub.elf
	@echo "  IMG   $@"
	@objcopy -O binary -j .text $< $@.new
	@truncate -s 516096 $@.new
	@mv $@.new $@

-include $(STUB_OBJ:.o=.d)
