# bhctl, the host program that manages a Bulkhead over its console's line; and what its tests talk to: a
# Bulkhead without a machine.
BHCTL_SOURCES := $(wildcard tools/bhctl/*.c) vmm/console/frame.c
BHCTL_HEADERS := $(wildcard tools/bhctl/*.h include/bulkhead/*.h)
BHCTL_FLAGS   := $(COMMON) -O2 -D_GNU_SOURCE -DBULKHEAD_VERSION='"$(shell cat VERSION)"'
BHCTL_PEER    := tests/system/bhctl_peer.c vmm/console/remote.c vmm/console/frame.c vmm/partition_view.c \
                 vmm/byte_ring.c vmm/format.c

$(B)/bhctl: $(BHCTL_SOURCES) $(BHCTL_HEADERS) VERSION tools/bhctl.mk
	@mkdir -p $(@D)
	@echo "  CC    $@"
	@$(CC) $(BHCTL_FLAGS) -o $@ $(BHCTL_SOURCES) -lcjson -ledit

$(B)/bhctl-peer: $(BHCTL_PEER) $(wildcard include/bulkhead/*.h vmm/console/*.h) \
                 tests/unit/vmm/console/fake_remote.h tools/bhctl.mk
	@mkdir -p $(@D)
	@echo "  CC    $@"
	@$(CC) $(COMMON) -O1 -D_GNU_SOURCE -fsanitize=address,undefined -fno-sanitize-recover=all \
		-Itests/unit -o $@ $(BHCTL_PEER)

.PHONY: bhctl
bhctl: $(B)/bhctl ## build bhctl, which manages a Bulkhead over its console's line

$(B)/lint/tools/bhctl/%: lint_flags = $(BHCTL_FLAGS)
