/* SPDX-License-Identifier: MIT */
/*
 * VMX instructions. Each tests CF and ZF (VMfailInvalid, VMfailValid: SDM vol. 3, 31.2). VMREAD and
 * VMWRITE name fields that the capability MSRs promise, so their failure is a bug of ours;
 * vmread_try is for the others.
 *
 * VMREAD and VMWRITE are all over the path of an exit. So the compiler does not see the call that
 * reports their failure, which is behind the function: it never returns, and a function that only
 * reads and writes fields needs no frame.
 */
#pragma once

#include "fields.h"

#include <bulkhead/arch.h>
#include <bulkhead/error.h>

noreturn void vmx_instruction_failed(const char *instruction, u64 field);

noreturn void vmx_read_failed(u64 field);
noreturn void vmx_write_failed(u64 field);

/* With the field in RDI, as the called function wants it. */
#define VMX_ELSE(function, field)                                                                  \
	"\n\tjna 1f\n\t.subsection 1\n1:\tmovq " field ", %%rdi\n\tcall " function                 \
	"\n\t.subsection 0"

static inline u64 vmread(enum vmcs_field field)
{
	u64 value;

	__asm__ volatile("vmread %1, %0" VMX_ELSE("vmx_read_failed", "%1")
			 : "=r"(value)
			 : "r"((u64)field)
			 : "cc");
	return value;
}

/*
 * Of what stands on the path of nearly every exit, these do not test: fields that every CPU with
 * VT-x has, or that come with a control that is on, in a VMCS that must be current, as the exit
 * came from it.
 */
static inline u64 vmread_sure(u64 field)
{
	u64 value;

	/* In registers apart, so that the number of the field is still there for a VMWRITE. */
	__asm__ volatile("vmread %1, %0" : "=&r"(value) : "r"(field) : "cc");
	return value;
}

static inline void vmwrite_sure(u64 field, u64 value)
{
	__asm__ volatile("vmwrite %1, %0" : : "r"(field), "rm"(value) : "cc", "memory");
}

/* For a field that this CPU may not have: false then, and the VM-instruction error says so. */
static inline must_check bool vmread_try(u32 field, u64 *value)
{
	__asm__ goto volatile("vmread %1, %0\n\tjna %l[failed]"
			      : "=r"(*value)
			      : "r"((u64)field)
			      : "cc"
			      : failed);
	return true;
failed:
	return false;
}

static inline void vmwrite(enum vmcs_field field, u64 value)
{
	__asm__ volatile("vmwrite %1, %0" VMX_ELSE("vmx_write_failed", "%0")
			 :
			 : "r"((u64)field), "rm"(value)
			 : "cc", "memory");
}

/* The rest take the physical address of a VMCS or VMXON region: 0 or -EIO. */
#define VMX_REGION_INSTRUCTION(name)                                                               \
	static inline must_check int name(u64 physical)                                            \
	{                                                                                          \
		__asm__ goto volatile(#name " %0\n\tjna %l[failed]"                                \
				      :                                                            \
				      : "m"(physical)                                              \
				      : "cc", "memory"                                             \
				      : failed);                                                   \
		return 0;                                                                          \
	failed:                                                                                    \
		return -EIO;                                                                       \
	}
VMX_REGION_INSTRUCTION(vmxon)
VMX_REGION_INSTRUCTION(vmclear)
VMX_REGION_INSTRUCTION(vmptrld)

static inline void vmxoff(void)
{
	__asm__ goto volatile("vmxoff\n\tjna %l[failed]" : : : "cc", "memory" : failed);
	return;
failed:
	vmx_instruction_failed("VMXOFF", 0);
}

enum invept_type { INVEPT_SINGLE = 1, INVEPT_ALL = 2 };
enum invvpid_type { INVVPID_SINGLE = 1, INVVPID_ALL = 2 };

static inline must_check int invept(enum invept_type type, u64 ept_pointer)
{
	const struct {
		u64 ept_pointer, reserved;
	} descriptor = {ept_pointer, 0};

	__asm__ goto volatile("invept %0, %1\n\tjna %l[failed]"
			      :
			      : "m"(descriptor), "r"((u64)type)
			      : "cc", "memory"
			      : failed);
	return 0;
failed:
	return -EIO;
}

static inline must_check int invvpid(enum invvpid_type type, u16 vpid)
{
	const struct {
		u64 vpid, address;
	} descriptor = {vpid, 0};

	__asm__ goto volatile("invvpid %0, %1\n\tjna %l[failed]"
			      :
			      : "m"(descriptor), "r"((u64)type)
			      : "cc", "memory"
			      : failed);
	return 0;
failed:
	return -EIO;
}
