# The benchmark: what Bulkhead costs, in instructions, against the same machine without it, and what its
# scheduling costs. BENCH_IPS is how many instructions the emulated CPU executes in a second of emulated time.
BENCH     := $(B)/bench
BENCH_IPS ?= 100000000

BENCH_FLAGS := $(COMMON) -O2 -ffreestanding -fno-pic -mno-red-zone -mgeneral-regs-only \
               -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
               -ffunction-sections -MMD -MP
BENCH_LD    := ld -nostdlib -static -z noexecstack --no-warn-rwx-segments --gc-sections --build-id=none

BENCH_TEXT   := vmm/format.c vmm/string.c
BENCH_NATIVE := tests/bench/native/native.c tests/bench/serial.c $(CONFIG_SOURCES) \
                vmm/load/linux.c vmm/load/raw.c vmm/load/load_common.c $(BENCH_TEXT)
BENCH_OPS    := $(wildcard tests/bench/ops/*.c) tests/bench/serial.c $(BENCH_TEXT)
BENCH_INIT   := tests/bench/init/init.c $(BENCH_TEXT)

# The starter is linked as the core is, to the top of the address space; the others run further down.
BENCH_NATIVE_OBJ := $(BENCH)/obj/tests/bench/native/enter.asm.o $(BENCH_NATIVE:%.c=$(BENCH)/high/%.o)
BENCH_OPS_OBJ    := $(BENCH)/obj/tests/bench/ops/start.asm.o $(BENCH_OPS:%.c=$(BENCH)/obj/%.o)
BENCH_INIT_OBJ   := $(BENCH)/obj/tests/bench/init/start.asm.o $(BENCH_INIT:%.c=$(BENCH)/obj/%.o)

$(BENCH)/high/%.o: %.c tests/bench/bench.mk
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(BENCH_FLAGS) -mcmodel=kernel -c -o $@ $<

$(BENCH)/obj/%.o: %.c tests/bench/bench.mk
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(BENCH_FLAGS) -c -o $@ $<

$(BENCH)/obj/%.asm.o: %.asm
	@mkdir -p $(@D)
	@echo "  NASM  $<"
	@$(NASM) -f elf64 -o $@ $<

# It has no initialised data, so that its image ends before the page where that would be.
$(BENCH)/native.bin: $(BENCH_NATIVE_OBJ) linker.ld
	@$(BENCH_LD) -T linker.ld -o $(BENCH)/native.elf $(BENCH_NATIVE_OBJ)
	@objcopy -O binary -j .header -j .text -j .rodata -j .data $(BENCH)/native.elf $@
	@truncate -s %4096 $@

$(BENCH)/ops.bin: $(BENCH_OPS_OBJ) tests/bench/ops/ops.ld
	@$(BENCH_LD) -T tests/bench/ops/ops.ld -o $(BENCH)/ops.elf $(BENCH_OPS_OBJ)
	@objcopy -O binary --set-section-flags .image=alloc,load,contents $(BENCH)/ops.elf $@

$(BENCH)/init: $(BENCH_INIT_OBJ)
	@$(BENCH_LD) -s -o $@ $(BENCH_INIT_OBJ)

# Debian's initramfs with another /init behind it: the kernel unpacks one archive after the other, each
# at a multiple of 4 bytes.
$(BENCH)/initrd: $(BENCH)/init $(GUESTS)/debian.initrd.gz
	@mkdir -p $(BENCH)/root
	@cp $(BENCH)/init $(BENCH)/root/init
	@touch -d @0 $(BENCH)/root/init
	@cp $(GUESTS)/debian.initrd.gz $@.new
	@truncate -s %4 $@.new
	@cd $(BENCH)/root && echo init | cpio --quiet --reproducible -o -H newc -R 0:0 >> ../$(@F).new
	@mv $@.new $@

# The system tests run it.
payloads: $(BENCH)/ops.bin

BENCH_PAYLOADS := $(patsubst %,$(B)/guests/%.bin,sleeper switcher spinon netload diskload idle)

# The first is compared with peers and drawn; the others have no APIC virtualisation, and one no x2APIC.
BENCH_MODELS ?= haswell sandybridge cannonlake

BENCH_OPERATIONS = tests/bench/operations.py --core $(B)/core.bin --native $(BENCH)/native.bin \
                   --ops $(BENCH)/ops.bin --ips $(BENCH_IPS) --directory $(BENCH)

.PHONY: bench bench-operations bench-ceilings bench-counts bench-chart
bench: ## measure what Bulkhead costs, in instructions
bench: $(B)/core.bin $(B)/stub.img $(BENCH)/native.bin $(BENCH)/ops.bin $(BENCH)/initrd \
       $(GUESTS)/debian.vmlinuz $(BENCH_PAYLOADS)
	@tests/bench/bench.py --core $(B)/core.bin --native $(BENCH)/native.bin \
		--kernel $(GUESTS)/debian.vmlinuz --initrd $(BENCH)/initrd \
		--ips $(BENCH_IPS) --directory $(BENCH)
	@$(BENCH_OPERATIONS) $(BENCH_MODELS:%=--model %)
	@tests/bench/scheduling.py --core $(B)/core.bin --guests $(B)/guests \
		--ips $(BENCH_IPS) --directory $(BENCH)
	@tests/bench/virtio.py --ips $(BENCH_IPS) --directory $(BENCH)
	@tests/bench/scale.py --ips $(BENCH_IPS) --directory $(BENCH)
	@echo; echo "All figures are in $(BENCH)/bench.json."

bench-operations: ## of that only single operations
bench-operations: $(B)/core.bin $(B)/stub.img $(BENCH)/native.bin $(BENCH)/ops.bin
	@$(BENCH_OPERATIONS) $(BENCH_MODELS:%=--model %)

bench-ceilings: ## lower the ceilings of operations to what they cost now
bench-ceilings: $(B)/core.bin $(B)/stub.img $(BENCH)/ops.bin
	@tests/bench/gate.py --core $(B)/core.bin --ops $(BENCH)/ops.bin

# The same sources, assembled with counters (tests/bench/count/count.s).
bench-counts: ## count the privileged instructions of each kind of exit
bench-counts: $(B)/stub.img $(BENCH)/ops.bin
	@$(MAKE) B=$(B)/count CORE_MORE_FLAGS=-Wa,tests/bench/count/count.s \
		CORE_MORE_NASM=-Ptests/bench/count/count.inc core
	@tests/bench/counts.py --core $(B)/count/core --ops $(BENCH)/ops.bin --directory $(BENCH)

bench-chart: ## draw the last figures: docs/performance.svg
	@tests/bench/chart.py $(BENCH)/bench.json docs/performance.svg

-include $(shell find $(BENCH) -name '*.d' 2>/dev/null)
