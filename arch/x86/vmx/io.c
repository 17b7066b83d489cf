/* SPDX-License-Identifier: MIT */
/* Port accesses of the guest. Those of strings are the emulator's. */
#include "vmx.h"

#include "instructions.h"

#include <bulkhead/exit.h>

/* Exit qualification for I/O instructions (SDM vol. 3, table 28-5). */
#define IO_BYTES(q) (((unsigned)(q)&7) + 1)
#define IO_IN	    BIT(3)
#define IO_STRING   BIT(4)
#define IO_PORT(q)  ((u16)((q) >> 16))

static void read_port(struct vcpu *vcpu, u16 port, unsigned bytes)
{
	u64 mask = bytes == 4 ? 0xffffffff : BIT(8 * bytes) - 1;
	u64 value = exit_port_read(vcpu, port, bytes) & mask;
	u64 *rax = &vcpu->gpr[GPR_RAX];

	/* A 32-bit result clears the upper half, smaller ones leave the rest alone. */
	*rax = bytes == 4 ? value : (*rax & ~mask) | value;
}

bool vmx_io_is(u64 qualification, u16 port, bool in)
{
	return qualification & IO_STRING && !!(qualification & IO_IN) == in &&
	       IO_PORT(qualification) == port;
}

void vmx_exit_io(struct vcpu *vcpu)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);
	u16 port = IO_PORT(qualification);
	unsigned bytes = IO_BYTES(qualification);

	if (qualification & IO_STRING) {
		vmx_emulate(vcpu);
		return;
	}
	if (qualification & IO_IN)
		read_port(vcpu, port, bytes);
	else
		exit_port_write(vcpu, port, bytes, (u32)vcpu->gpr[GPR_RAX]);
	vmx_advance();
}
