/* SPDX-License-Identifier: MIT */
/* VMCS fields (SDM vol. 3, appendix B): encoding and the manual's name. */
#pragma once

#include <bulkhead/types.h>

#define VMCS_FIELDS(F)                                                                             \
	F(VPID, 0x0000, "virtual-processor identifier")                                            \
	F(POSTED_INTERRUPT_VECTOR, 0x0002, "posted-interrupt notification vector")                 \
	F(GUEST_ES_SELECTOR, 0x0800, "guest ES selector")                                          \
	F(GUEST_CS_SELECTOR, 0x0802, "guest CS selector")                                          \
	F(GUEST_SS_SELECTOR, 0x0804, "guest SS selector")                                          \
	F(GUEST_DS_SELECTOR, 0x0806, "guest DS selector")                                          \
	F(GUEST_FS_SELECTOR, 0x0808, "guest FS selector")                                          \
	F(GUEST_GS_SELECTOR, 0x080a, "guest GS selector")                                          \
	F(GUEST_LDTR_SELECTOR, 0x080c, "guest LDTR selector")                                      \
	F(GUEST_TR_SELECTOR, 0x080e, "guest TR selector")                                          \
	F(GUEST_INTERRUPT_STATUS, 0x0810, "guest interrupt status")                                \
	F(PML_INDEX, 0x0812, "PML index")                                                          \
	F(GUEST_UINV, 0x0814, "guest UINV")                                                        \
	F(HOST_ES_SELECTOR, 0x0c00, "host ES selector")                                            \
	F(HOST_CS_SELECTOR, 0x0c02, "host CS selector")                                            \
	F(HOST_SS_SELECTOR, 0x0c04, "host SS selector")                                            \
	F(HOST_DS_SELECTOR, 0x0c06, "host DS selector")                                            \
	F(HOST_FS_SELECTOR, 0x0c08, "host FS selector")                                            \
	F(HOST_GS_SELECTOR, 0x0c0a, "host GS selector")                                            \
	F(HOST_TR_SELECTOR, 0x0c0c, "host TR selector")                                            \
	F(IO_BITMAP_A, 0x2000, "address of I/O bitmap A")                                          \
	F(IO_BITMAP_B, 0x2002, "address of I/O bitmap B")                                          \
	F(MSR_BITMAP, 0x2004, "address of MSR bitmaps")                                            \
	F(EXIT_MSR_STORE_ADDRESS, 0x2006, "VM-exit MSR-store address")                             \
	F(EXIT_MSR_LOAD_ADDRESS, 0x2008, "VM-exit MSR-load address")                               \
	F(ENTRY_MSR_LOAD_ADDRESS, 0x200a, "VM-entry MSR-load address")                             \
	F(EXECUTIVE_VMCS, 0x200c, "executive-VMCS pointer")                                        \
	F(PML_ADDRESS, 0x200e, "PML address")                                                      \
	F(TSC_OFFSET, 0x2010, "TSC offset")                                                        \
	F(VIRTUAL_APIC_ADDRESS, 0x2012, "virtual-APIC address")                                    \
	F(APIC_ACCESS_ADDRESS, 0x2014, "APIC-access address")                                      \
	F(POSTED_INTERRUPT_DESCRIPTOR, 0x2016, "posted-interrupt descriptor address")              \
	F(VM_FUNCTION_CONTROLS, 0x2018, "VM-function controls")                                    \
	F(EPT_POINTER, 0x201a, "EPT pointer")                                                      \
	F(EOI_EXIT_BITMAP0, 0x201c, "EOI-exit bitmap 0")                                           \
	F(EOI_EXIT_BITMAP1, 0x201e, "EOI-exit bitmap 1")                                           \
	F(EOI_EXIT_BITMAP2, 0x2020, "EOI-exit bitmap 2")                                           \
	F(EOI_EXIT_BITMAP3, 0x2022, "EOI-exit bitmap 3")                                           \
	F(EPTP_LIST, 0x2024, "EPTP-list address")                                                  \
	F(VMREAD_BITMAP, 0x2026, "VMREAD-bitmap address")                                          \
	F(VMWRITE_BITMAP, 0x2028, "VMWRITE-bitmap address")                                        \
	F(VE_INFORMATION, 0x202a, "virtualization-exception information address")                  \
	F(XSS_EXITING_BITMAP, 0x202c, "XSS-exiting bitmap")                                        \
	F(ENCLS_EXITING_BITMAP, 0x202e, "ENCLS-exiting bitmap")                                    \
	F(SPP_TABLE, 0x2030, "sub-page-permission-table pointer")                                  \
	F(TSC_MULTIPLIER, 0x2032, "TSC multiplier")                                                \
	F(GUEST_PHYSICAL_ADDRESS, 0x2400, "guest-physical address")                                \
	F(VMCS_LINK_POINTER, 0x2800, "VMCS link pointer")                                          \
	F(GUEST_DEBUGCTL, 0x2802, "guest IA32_DEBUGCTL")                                           \
	F(GUEST_PAT, 0x2804, "guest IA32_PAT")                                                     \
	F(GUEST_EFER, 0x2806, "guest IA32_EFER")                                                   \
	F(GUEST_PERF_GLOBAL_CTRL, 0x2808, "guest IA32_PERF_GLOBAL_CTRL")                           \
	F(GUEST_PDPTE0, 0x280a, "guest PDPTE0")                                                    \
	F(GUEST_PDPTE1, 0x280c, "guest PDPTE1")                                                    \
	F(GUEST_PDPTE2, 0x280e, "guest PDPTE2")                                                    \
	F(GUEST_PDPTE3, 0x2810, "guest PDPTE3")                                                    \
	F(GUEST_BNDCFGS, 0x2812, "guest IA32_BNDCFGS")                                             \
	F(GUEST_RTIT_CTL, 0x2814, "guest IA32_RTIT_CTL")                                           \
	F(GUEST_LBR_CTL, 0x2816, "guest IA32_LBR_CTL")                                             \
	F(GUEST_PKRS, 0x2818, "guest IA32_PKRS")                                                   \
	F(HOST_PAT, 0x2c00, "host IA32_PAT")                                                       \
	F(HOST_EFER, 0x2c02, "host IA32_EFER")                                                     \
	F(HOST_PERF_GLOBAL_CTRL, 0x2c04, "host IA32_PERF_GLOBAL_CTRL")                             \
	F(HOST_PKRS, 0x2c06, "host IA32_PKRS")                                                     \
	F(PIN_CONTROLS, 0x4000, "pin-based VM-execution controls")                                 \
	F(PRIMARY_CONTROLS, 0x4002, "primary processor-based VM-execution controls")               \
	F(EXCEPTION_BITMAP, 0x4004, "exception bitmap")                                            \
	F(PAGE_FAULT_MASK, 0x4006, "page-fault error-code mask")                                   \
	F(PAGE_FAULT_MATCH, 0x4008, "page-fault error-code match")                                 \
	F(CR3_TARGET_COUNT, 0x400a, "CR3-target count")                                            \
	F(EXIT_CONTROLS, 0x400c, "VM-exit controls")                                               \
	F(EXIT_MSR_STORE_COUNT, 0x400e, "VM-exit MSR-store count")                                 \
	F(EXIT_MSR_LOAD_COUNT, 0x4010, "VM-exit MSR-load count")                                   \
	F(ENTRY_CONTROLS, 0x4012, "VM-entry controls")                                             \
	F(ENTRY_MSR_LOAD_COUNT, 0x4014, "VM-entry MSR-load count")                                 \
	F(ENTRY_INTERRUPTION, 0x4016, "VM-entry interruption-information field")                   \
	F(ENTRY_ERROR_CODE, 0x4018, "VM-entry exception error code")                               \
	F(ENTRY_INSTRUCTION_LENGTH, 0x401a, "VM-entry instruction length")                         \
	F(TPR_THRESHOLD, 0x401c, "TPR threshold")                                                  \
	F(SECONDARY_CONTROLS, 0x401e, "secondary processor-based VM-execution controls")           \
	F(PLE_GAP, 0x4020, "PLE_Gap")                                                              \
	F(PLE_WINDOW, 0x4022, "PLE_Window")                                                        \
	F(INSTRUCTION_ERROR, 0x4400, "VM-instruction error")                                       \
	F(EXIT_REASON, 0x4402, "exit reason")                                                      \
	F(EXIT_INTERRUPTION, 0x4404, "VM-exit interruption information")                           \
	F(EXIT_ERROR_CODE, 0x4406, "VM-exit interruption error code")                              \
	F(VECTORING_INFO, 0x4408, "IDT-vectoring information field")                               \
	F(VECTORING_ERROR_CODE, 0x440a, "IDT-vectoring error code")                                \
	F(EXIT_INSTRUCTION_LENGTH, 0x440c, "VM-exit instruction length")                           \
	F(EXIT_INSTRUCTION_INFO, 0x440e, "VM-exit instruction information")                        \
	F(GUEST_ES_LIMIT, 0x4800, "guest ES limit")                                                \
	F(GUEST_CS_LIMIT, 0x4802, "guest CS limit")                                                \
	F(GUEST_SS_LIMIT, 0x4804, "guest SS limit")                                                \
	F(GUEST_DS_LIMIT, 0x4806, "guest DS limit")                                                \
	F(GUEST_FS_LIMIT, 0x4808, "guest FS limit")                                                \
	F(GUEST_GS_LIMIT, 0x480a, "guest GS limit")                                                \
	F(GUEST_LDTR_LIMIT, 0x480c, "guest LDTR limit")                                            \
	F(GUEST_TR_LIMIT, 0x480e, "guest TR limit")                                                \
	F(GUEST_GDTR_LIMIT, 0x4810, "guest GDTR limit")                                            \
	F(GUEST_IDTR_LIMIT, 0x4812, "guest IDTR limit")                                            \
	F(GUEST_ES_RIGHTS, 0x4814, "guest ES access rights")                                       \
	F(GUEST_CS_RIGHTS, 0x4816, "guest CS access rights")                                       \
	F(GUEST_SS_RIGHTS, 0x4818, "guest SS access rights")                                       \
	F(GUEST_DS_RIGHTS, 0x481a, "guest DS access rights")                                       \
	F(GUEST_FS_RIGHTS, 0x481c, "guest FS access rights")                                       \
	F(GUEST_GS_RIGHTS, 0x481e, "guest GS access rights")                                       \
	F(GUEST_LDTR_RIGHTS, 0x4820, "guest LDTR access rights")                                   \
	F(GUEST_TR_RIGHTS, 0x4822, "guest TR access rights")                                       \
	F(GUEST_INTERRUPTIBILITY, 0x4824, "guest interruptibility state")                          \
	F(GUEST_ACTIVITY, 0x4826, "guest activity state")                                          \
	F(GUEST_SMBASE, 0x4828, "guest SMBASE")                                                    \
	F(GUEST_SYSENTER_CS, 0x482a, "guest IA32_SYSENTER_CS")                                     \
	F(PREEMPTION_TIMER, 0x482e, "VMX-preemption timer value")                                  \
	F(HOST_SYSENTER_CS, 0x4c00, "host IA32_SYSENTER_CS")                                       \
	F(CR0_MASK, 0x6000, "CR0 guest/host mask")                                                 \
	F(CR4_MASK, 0x6002, "CR4 guest/host mask")                                                 \
	F(CR0_SHADOW, 0x6004, "CR0 read shadow")                                                   \
	F(CR4_SHADOW, 0x6006, "CR4 read shadow")                                                   \
	F(EXIT_QUALIFICATION, 0x6400, "exit qualification")                                        \
	F(GUEST_LINEAR_ADDRESS, 0x640a, "guest linear address")                                    \
	F(GUEST_CR0, 0x6800, "guest CR0")                                                          \
	F(GUEST_CR3, 0x6802, "guest CR3")                                                          \
	F(GUEST_CR4, 0x6804, "guest CR4")                                                          \
	F(GUEST_ES_BASE, 0x6806, "guest ES base")                                                  \
	F(GUEST_CS_BASE, 0x6808, "guest CS base")                                                  \
	F(GUEST_SS_BASE, 0x680a, "guest SS base")                                                  \
	F(GUEST_DS_BASE, 0x680c, "guest DS base")                                                  \
	F(GUEST_FS_BASE, 0x680e, "guest FS base")                                                  \
	F(GUEST_GS_BASE, 0x6810, "guest GS base")                                                  \
	F(GUEST_LDTR_BASE, 0x6812, "guest LDTR base")                                              \
	F(GUEST_TR_BASE, 0x6814, "guest TR base")                                                  \
	F(GUEST_GDTR_BASE, 0x6816, "guest GDTR base")                                              \
	F(GUEST_IDTR_BASE, 0x6818, "guest IDTR base")                                              \
	F(GUEST_DR7, 0x681a, "guest DR7")                                                          \
	F(GUEST_RSP, 0x681c, "guest RSP")                                                          \
	F(GUEST_RIP, 0x681e, "guest RIP")                                                          \
	F(GUEST_RFLAGS, 0x6820, "guest RFLAGS")                                                    \
	F(GUEST_PENDING_DEBUG, 0x6822, "guest pending debug exceptions")                           \
	F(GUEST_SYSENTER_ESP, 0x6824, "guest IA32_SYSENTER_ESP")                                   \
	F(GUEST_SYSENTER_EIP, 0x6826, "guest IA32_SYSENTER_EIP")                                   \
	F(GUEST_S_CET, 0x6828, "guest IA32_S_CET")                                                 \
	F(GUEST_SSP, 0x682a, "guest SSP")                                                          \
	F(GUEST_SSP_TABLE, 0x682c, "guest IA32_INTERRUPT_SSP_TABLE_ADDR")                          \
	F(HOST_CR0, 0x6c00, "host CR0")                                                            \
	F(HOST_CR3, 0x6c02, "host CR3")                                                            \
	F(HOST_CR4, 0x6c04, "host CR4")                                                            \
	F(HOST_FS_BASE, 0x6c06, "host FS base")                                                    \
	F(HOST_GS_BASE, 0x6c08, "host GS base")                                                    \
	F(HOST_TR_BASE, 0x6c0a, "host TR base")                                                    \
	F(HOST_GDTR_BASE, 0x6c0c, "host GDTR base")                                                \
	F(HOST_IDTR_BASE, 0x6c0e, "host IDTR base")                                                \
	F(HOST_SYSENTER_ESP, 0x6c10, "host IA32_SYSENTER_ESP")                                     \
	F(HOST_SYSENTER_EIP, 0x6c12, "host IA32_SYSENTER_EIP")                                     \
	F(HOST_RSP, 0x6c14, "host RSP")                                                            \
	F(HOST_RIP, 0x6c16, "host RIP")                                                            \
	F(HOST_S_CET, 0x6c18, "host IA32_S_CET")                                                   \
	F(HOST_SSP, 0x6c1a, "host SSP")                                                            \
	F(HOST_SSP_TABLE, 0x6c1c, "host IA32_INTERRUPT_SSP_TABLE_ADDR")

enum vmcs_field {
#define NUMBER(name, encoding, text) name = (encoding),
	VMCS_FIELDS(NUMBER)
#undef NUMBER
};

/* The manual's name of the field with this encoding; NULL when there is none here. */
const char *vmcs_field_name(u32 encoding);

/* Controls (SDM vol. 3, 25.6 to 25.8). */
#define PIN_EXTERNAL_INTERRUPT BIT(0)
#define PIN_NMI		       BIT(3)
#define PIN_VIRTUAL_NMI	       BIT(5)
#define PIN_PREEMPTION_TIMER   BIT(6)
#define PIN_POSTED_INTERRUPTS  BIT(7)

#define CPU_INTERRUPT_WINDOW BIT(2)
#define CPU_TSC_OFFSETTING   BIT(3)
#define CPU_HLT		     BIT(7)
#define CPU_INVLPG	     BIT(9)
#define CPU_MWAIT	     BIT(10)
#define CPU_RDPMC	     BIT(11)
#define CPU_RDTSC	     BIT(12)
#define CPU_CR3_LOAD	     BIT(15)
#define CPU_CR3_STORE	     BIT(16)
#define CPU_CR8_LOAD	     BIT(19)
#define CPU_CR8_STORE	     BIT(20)
#define CPU_TPR_SHADOW	     BIT(21)
#define CPU_NMI_WINDOW	     BIT(22)
#define CPU_MOV_DR	     BIT(23)
#define CPU_IO_EXITING	     BIT(24)
#define CPU_IO_BITMAPS	     BIT(25)
#define CPU_MONITOR_TRAP     BIT(27)
#define CPU_MSR_BITMAPS	     BIT(28)
#define CPU_MONITOR	     BIT(29)
#define CPU_PAUSE	     BIT(30)
#define CPU_SECONDARY	     BIT(31)

#define CPU2_APIC_ACCESSES	BIT(0)
#define CPU2_EPT		BIT(1)
#define CPU2_DESCRIPTOR_TABLE	BIT(2)
#define CPU2_RDTSCP		BIT(3)
#define CPU2_X2APIC		BIT(4)
#define CPU2_VPID		BIT(5)
#define CPU2_WBINVD		BIT(6)
#define CPU2_UNRESTRICTED	BIT(7)
#define CPU2_APIC_REGISTER	BIT(8)
#define CPU2_VIRTUAL_INTERRUPT	BIT(9)
#define CPU2_PAUSE_LOOP		BIT(10)
#define CPU2_RDRAND		BIT(11)
#define CPU2_INVPCID		BIT(12)
#define CPU2_VM_FUNCTIONS	BIT(13)
#define CPU2_VMCS_SHADOWING	BIT(14)
#define CPU2_ENCLS		BIT(15)
#define CPU2_RDSEED		BIT(16)
#define CPU2_PML		BIT(17)
#define CPU2_EPT_VE		BIT(18)
#define CPU2_XSAVES		BIT(20)
#define CPU2_MODE_BASED_EXECUTE BIT(22)
#define CPU2_SUB_PAGE_WRITE	BIT(23)
#define CPU2_PT_GUEST_PHYSICAL	BIT(24)
#define CPU2_TSC_SCALING	BIT(25)

#define EXIT_SAVE_DEBUG	     BIT(2)
#define EXIT_HOST_64	     BIT(9)
#define EXIT_LOAD_PERF	     BIT(12)
#define EXIT_ACKNOWLEDGE     BIT(15)
#define EXIT_SAVE_PAT	     BIT(18)
#define EXIT_LOAD_PAT	     BIT(19)
#define EXIT_SAVE_EFER	     BIT(20)
#define EXIT_LOAD_EFER	     BIT(21)
#define EXIT_SAVE_PREEMPTION BIT(22)
#define EXIT_CLEAR_BNDCFGS   BIT(23)
#define EXIT_CLEAR_RTIT	     BIT(25)
#define EXIT_LOAD_CET	     BIT(28)
#define EXIT_LOAD_PKRS	     BIT(29)

#define ENTRY_LOAD_DEBUG      BIT(2)
#define ENTRY_IA32E	      BIT(9)
#define ENTRY_TO_SMM	      BIT(10)
#define ENTRY_DEACTIVATE_DUAL BIT(11)
#define ENTRY_LOAD_PERF	      BIT(13)
#define ENTRY_LOAD_PAT	      BIT(14)
#define ENTRY_LOAD_EFER	      BIT(15)
#define ENTRY_LOAD_BNDCFGS    BIT(16)
#define ENTRY_LOAD_RTIT	      BIT(18)
#define ENTRY_LOAD_UINV	      BIT(19)
#define ENTRY_LOAD_CET	      BIT(20)
#define ENTRY_LOAD_LBR	      BIT(21)
#define ENTRY_LOAD_PKRS	      BIT(22)

/* Interruption information (SDM vol. 3, 25.8.3 and 25.9.2). */
#define EVENT_VALID	    BIT(31)
#define EVENT_ERROR_CODE    BIT(11)
#define EVENT_EXTERNAL	    (0u << 8)
#define EVENT_NMI	    (2u << 8)
#define EVENT_EXCEPTION	    (3u << 8)
#define EVENT_SOFTWARE	    (4u << 8)
#define EVENT_PRIVILEGED    (5u << 8)
#define EVENT_SOFTWARE_EXC  (6u << 8)
#define EVENT_OTHER	    (7u << 8)
#define EVENT_TYPE_MASK	    (7u << 8)
#define EVENT_NMI_UNBLOCKED BIT(12)

#define INTERRUPTIBILITY_STI	 BIT(0)
#define INTERRUPTIBILITY_MOV_SS	 BIT(1)
#define INTERRUPTIBILITY_SMI	 BIT(2)
#define INTERRUPTIBILITY_NMI	 BIT(3)
#define INTERRUPTIBILITY_ENCLAVE BIT(4)

/* Access rights of segments (SDM vol. 3, table 25-2); CS.L is for 64-bit code. */
#define RIGHTS_LONG	BIT(13)
#define RIGHTS_UNUSABLE BIT(16)

/* Pending debug exceptions (SDM vol. 3, table 25-4). */
#define PENDING_DEBUG_BREAKPOINT BIT(12)
#define PENDING_DEBUG_BS	 BIT(14)
#define PENDING_DEBUG_RTM	 BIT(16)

/* IA32_DEBUGCTL (SDM vol. 3, 18.4.1): last-branch record, and TF traps after branches only. */
#define DEBUGCTL_LBR BIT(0)
#define DEBUGCTL_BTF BIT(1)

/* Exit qualification of an EPT violation (SDM vol. 3, table 28-7). */
#define EPT_WRITE	  BIT(1)
#define EPT_FETCH	  BIT(2)
#define EPT_LINEAR	  BIT(7)
#define EPT_TRANSLATION	  BIT(8) /* of the linear address: not of an entry of the page tables */
#define EPT_NMI_UNBLOCKED BIT(12)

/* And of an I/O instruction (SDM vol. 3, table 28-5). */
#define IO_BYTES(q) (((unsigned)(q)&7) + 1)
#define IO_IN	    BIT(3)
#define IO_STRING   BIT(4)
#define IO_REP	    BIT(5)
#define IO_PORT(q)  ((u32)(q) >> 16)

/* Instruction information of INS and OUTS (SDM vol. 3, table 28-9). The segment is that of OUTS. */
#define IO_ADDRESS_BYTES(i) (2U << MIN((i) >> 7 & 7, 2UL))
#define IO_SEGMENT(i)	    ((unsigned)((i) >> 15 & 7))

/* Basic exit reasons (SDM vol. 3, appendix C). */
enum exit_reason {
	EXIT_EXCEPTION_NMI = 0,
	EXIT_EXTERNAL_INTERRUPT = 1,
	EXIT_TRIPLE_FAULT = 2,
	EXIT_INIT = 3,
	EXIT_SIPI = 4,
	EXIT_INTERRUPT_WINDOW = 7,
	EXIT_NMI_WINDOW = 8,
	EXIT_TASK_SWITCH = 9,
	EXIT_CPUID = 10,
	EXIT_GETSEC = 11,
	EXIT_HLT = 12,
	EXIT_INVD = 13,
	EXIT_INVLPG = 14,
	EXIT_RDPMC = 15,
	EXIT_RDTSC = 16,
	EXIT_VMCALL = 18,
	EXIT_VMCLEAR = 19,
	EXIT_VMLAUNCH = 20,
	EXIT_VMPTRLD = 21,
	EXIT_VMPTRST = 22,
	EXIT_VMREAD = 23,
	EXIT_VMRESUME = 24,
	EXIT_VMWRITE = 25,
	EXIT_VMXOFF = 26,
	EXIT_VMXON = 27,
	EXIT_CR_ACCESS = 28,
	EXIT_DR_ACCESS = 29,
	EXIT_IO = 30,
	EXIT_RDMSR = 31,
	EXIT_WRMSR = 32,
	EXIT_ENTRY_GUEST_STATE = 33,
	EXIT_ENTRY_MSR_LOAD = 34,
	EXIT_MWAIT = 36,
	EXIT_MONITOR = 39,
	EXIT_PAUSE = 40,
	EXIT_ENTRY_MACHINE_CHECK = 41,
	EXIT_TPR_BELOW_THRESHOLD = 43,
	EXIT_APIC_ACCESS = 44,
	EXIT_VIRTUAL_EOI = 45,
	EXIT_DESCRIPTOR_TABLE = 46,
	EXIT_LDTR_TR = 47,
	EXIT_EPT_VIOLATION = 48,
	EXIT_EPT_MISCONFIGURATION = 49,
	EXIT_INVEPT = 50,
	EXIT_RDTSCP = 51,
	EXIT_PREEMPTION_TIMER = 52,
	EXIT_INVVPID = 53,
	EXIT_WBINVD = 54,
	EXIT_XSETBV = 55,
	EXIT_APIC_WRITE = 56,
	EXIT_RDRAND = 57,
	EXIT_INVPCID = 58,
	EXIT_VMFUNC = 59,
	EXIT_ENCLS = 60,
	EXIT_RDSEED = 61,
	EXIT_XSAVES = 63,
	EXIT_XRSTORS = 64,
	EXIT_REASONS, /* above all that are known */
};
