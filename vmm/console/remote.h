/* SPDX-License-Identifier: MIT */
/* Programs on the operator's line: requests in frames (include/bulkhead/frame.h) and their answers.
 */
#pragma once

#include <bulkhead/types.h>

/*
 * Offer a byte that was received. True: it belongs to a frame, nobody else may see it. The last
 * byte of a request carries it out and prints the answer. Only for the console's thread; a command
 * that reads keys may call it again, and requests that come meanwhile get no answer.
 */
bool remote_input(u8 byte) must_check;
