; SPDX-License-Identifier: MIT
; The least payload in protected mode: a line, and power off.
bits 32
org 0x100000

start:
	mov	esi, text

%include "tests/guests/say_and_off.inc"

text:	db "hello32: protected mode", 13, 10, "hello32: done", 13, 10, 0
