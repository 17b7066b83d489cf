/* SPDX-License-Identifier: MIT */
/* Driver for the 16550A and its descendants (National Semiconductor PC16550D datasheet). */
#include <bulkhead/uart.h>

#include <bulkhead/arch.h>
#include <bulkhead/port.h>

#define UART_DATA    0
#define UART_IER     1
#define UART_FCR     2
#define UART_LCR     3
#define UART_MCR     4
#define UART_LSR     5
#define UART_SCRATCH 7

#define UART_CLOCK 115200
#define FIFO_BYTES 16
#define WAIT_POLLS 1000000 /* longer than any byte takes at any rate */

#define LCR_8N1	    0x03
#define LCR_DIVISOR 0x80
#define LSR_DATA    0x01
#define LSR_EMPTY   0x20
#define LSR_IDLE    0x40
#define IER_RECEIVE 0x01
#define FCR_ON	    0x07 /* FIFOs on and cleared; receive interrupt at the first byte */
#define MCR_LINES   0x0b /* DTR, RTS, and OUT2, which gates the interrupt on a PC */

const struct uart uart_com[4] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};

static u8 lsr(const struct uart *uart)
{
	return port_read8((u16)(uart->port + UART_LSR));
}

bool uart_init(const struct uart *uart, u32 baud)
{
	u16 divisor = (u16)(UART_CLOCK / baud), port = uart->port;

	port_write8((u16)(port + UART_SCRATCH), 0x5a);
	if (port_read8((u16)(port + UART_SCRATCH)) != 0x5a)
		return false;
	port_write8((u16)(port + UART_IER), 0);
	port_write8((u16)(port + UART_LCR), LCR_DIVISOR | LCR_8N1);
	port_write8(port, (u8)divisor);
	port_write8((u16)(port + 1), (u8)(divisor >> 8));
	port_write8((u16)(port + UART_LCR), LCR_8N1);
	port_write8((u16)(port + UART_FCR), FCR_ON);
	port_write8((u16)(port + UART_MCR), MCR_LINES);
	return true;
}

void uart_receive_interrupt(const struct uart *uart, bool on)
{
	port_write8((u16)(uart->port + UART_IER), on ? IER_RECEIVE : 0);
}

unsigned uart_send(const struct uart *uart, const u8 *data, u64 bytes)
{
	unsigned count = (unsigned)MIN(bytes, (u64)FIFO_BYTES);

	if (!(lsr(uart) & LSR_EMPTY))
		return 0;
	for (unsigned i = 0; i < count; i++)
		port_write8(uart->port, data[i]);
	return count;
}

static bool wait(const struct uart *uart, u8 bit)
{
	for (u32 i = 0; i < WAIT_POLLS; i++) {
		if (lsr(uart) & bit)
			return true;
		arch_relax();
	}
	return false;
}

bool uart_wait(const struct uart *uart)
{
	return wait(uart, LSR_EMPTY);
}

void uart_drain(const struct uart *uart)
{
	(void)wait(uart, LSR_IDLE);
}

int uart_receive(const struct uart *uart)
{
	return lsr(uart) & LSR_DATA ? port_read8(uart->port) : -1;
}
