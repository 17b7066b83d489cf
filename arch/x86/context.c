/* SPDX-License-Identifier: MIT */
/* A new thread's stack, as arch_context_switch (entry.asm) expects it. */
#include <bulkhead/arch.h>

void context_start(void);

u64 arch_context_new(u64 top, void (*entry)(void *argument), void *argument)
{
	u64 *stack = (u64 *)top;

	*--stack = (u64)context_start;
	*--stack = 0;		  /* rbp */
	*--stack = 0;		  /* rbx */
	*--stack = (u64)entry;	  /* r12 */
	*--stack = (u64)argument; /* r13 */
	*--stack = 0;		  /* r14 */
	*--stack = 0;		  /* r15 */
	return (u64)stack;
}
