/* SPDX-License-Identifier: MIT */
/* VMX instructions have no CPU here that carries them out: whoever executes one fails. */
#pragma once

#include <arch/x86/vmx/instructions.h>

noreturn void vmx_instruction_failed(const char *instruction, u64 field)
{
	fail_msg("%s %lx", instruction, field);
	__builtin_trap();
}

noreturn void vmx_read_failed(u64 field)
{
	vmx_instruction_failed("VMREAD", field);
}

noreturn void vmx_write_failed(u64 field)
{
	vmx_instruction_failed("VMWRITE", field);
}
