; SPDX-License-Identifier: MIT
; The least payload in real mode, a boot sector: a line, and power off.
bits 16
org 0x7c00

start:
	xor	ax, ax
	mov	ds, ax
	mov	si, text

%include "tests/guests/say_and_off.inc"

text:	db "hello16: real mode", 13, 10, "hello16: done", 13, 10, 0
