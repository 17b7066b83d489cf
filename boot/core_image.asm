; SPDX-License-Identifier: MIT
; The core's flat image as data of the loader, so that one file (and one signature) covers both.

section .data
global core_image:data hidden
global core_image_end:data hidden

align 4096
core_image:
	incbin CORE_BIN
core_image_end:

section .note.GNU-stack noalloc noexec nowrite progbits
