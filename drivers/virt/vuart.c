/* SPDX-License-Identifier: MIT */
/* 16550A (National Semiconductor PC16550D). */

#include "vuart.h"

#define CLOCK_BAUD 115200 /* 1.8432 MHz / 16 */

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH };

#define IER_RECEIVE  0x01
#define IER_TRANSMIT 0x02
#define IER_ERRORS   0x04
#define IER_MODEM    0x08

/* PC16550D, "interrupt control functions". */
#define IIR_NONE     0x01
#define IIR_MODEM    0x00
#define IIR_TRANSMIT 0x02
#define IIR_RECEIVE  0x04
#define IIR_ERRORS   0x06
#define IIR_TIMEOUT  0x0c
#define IIR_FIFO     0xc0

#define FCR_ENABLE	  0x01
#define FCR_RECEIVE_RESET 0x02

#define LCR_LENGTH 0x03 /* 5 bits and this */
#define LCR_STOP   0x04
#define LCR_PARITY 0x08
#define LCR_DLAB   0x80

#define MCR_DTR	     0x01
#define MCR_RTS	     0x02
#define MCR_OUT1     0x04
#define MCR_OUT2     0x08
#define MCR_LOOPBACK 0x10

#define LSR_READY      0x01
#define LSR_OVERRUN    0x02
#define LSR_BREAK      0x10
#define LSR_EMPTY      0x60 /* THRE and TEMT */
#define LSR_FIFO_ERROR 0x80

#define MSR_TERI 0x04
#define MSR_CTS	 0x10
#define MSR_DSR	 0x20
#define MSR_RI	 0x40
#define MSR_DCD	 0x80

static u8 uart_capacity(const struct vuart *uart)
{
	return uart->fifo ? VUART_FIFO_BYTES : 1;
}

static bool uart_has_error(const struct vuart *uart)
{
	return uart->overrun || (uart->count && uart->errors[uart->first]);
}

/* The pending and enabled interrupt with the highest priority, as IIR shows it. */
static u8 uart_identify(const struct vuart *uart)
{
	if ((uart->ier & IER_ERRORS) && uart_has_error(uart))
		return IIR_ERRORS;
	if ((uart->ier & IER_RECEIVE) && uart->count >= uart->trigger)
		return IIR_RECEIVE;
	if ((uart->ier & IER_RECEIVE) && uart->timeout_pending)
		return IIR_TIMEOUT;
	if ((uart->ier & IER_TRANSMIT) && uart->transmit_pending)
		return IIR_TRANSMIT;
	if ((uart->ier & IER_MODEM) && uart->deltas)
		return IIR_MODEM;
	return IIR_NONE;
}

/* On a PC OUT2 lets the interrupt through; in loopback the chip's output pins are inactive. */
static void uart_update_line(struct vuart *uart)
{
	bool wired = (uart->mcr & (MCR_OUT2 | MCR_LOOPBACK)) == MCR_OUT2;
	bool line = wired && uart_identify(uart) != IIR_NONE;

	if (line == uart->line)
		return;
	uart->line = line;
	device_irq_set(uart->host, uart->irq, line);
}

/* Guest ticks that four characters take on the line (PC16550D, "FIFO interrupt mode operation"). */
static u64 uart_timeout_ticks(const struct vuart *uart)
{
	u32 bits = 7u + (uart->lcr & LCR_LENGTH) + (uart->lcr & LCR_PARITY ? 1u : 0u) +
		   (uart->lcr & LCR_STOP ? 1u : 0u);
	u32 divisor = uart->divisor ? uart->divisor : 1;

	return mul_div(4UL * bits * divisor, uart->host->tsc_hz, CLOCK_BAUD);
}

/* A time-out is worth a host timer only if it would interrupt and nothing of its kind already does.
 */
static void uart_update_timer(struct vuart *uart)
{
	u64 deadline = DEVICE_TIMER_OFF;

	if (uart->fifo && (uart->ier & IER_RECEIVE) && uart->count && uart->count < uart->trigger &&
	    !uart->timeout_pending)
		deadline = uart->receive_activity + uart_timeout_ticks(uart);
	if (deadline != uart->timer.deadline)
		device_timer_set(uart->host, &uart->timer, deadline);
}

static void uart_update(struct vuart *uart)
{
	uart_update_timer(uart);
	uart_update_line(uart);
}

static void uart_fire(void *context)
{
	struct vuart *uart = context;

	uart->timeout_pending = true;
	uart_update(uart);
}

static void uart_store(struct vuart *uart, u8 byte, u8 errors)
{
	unsigned slot = (uart->first + uart->count) % VUART_FIFO_BYTES;

	uart->data[slot] = byte;
	uart->errors[slot] = errors;
	uart->count++;
	uart->receive_activity = device_now(uart->host);
}

/* A byte came in by loopback, which waits for nobody. */
static void uart_loop(struct vuart *uart, u8 byte)
{
	byte &= (u8)(0xff >> (3 - (uart->lcr & LCR_LENGTH))); /* bits that a character has */
	if (uart->count < uart_capacity(uart)) {
		uart_store(uart, byte, 0);
		return;
	}
	uart->overrun = true;
	if (!uart->fifo) /* the FIFO keeps what it has; the single register is overwritten */
		uart->data[uart->first] = byte;
}

static bool uart_receive(struct vuart *uart, u8 byte, u8 errors)
{
	if ((uart->mcr & MCR_LOOPBACK) || uart->count >= uart_capacity(uart)) {
		uart->input_refused = true;
		return false;
	}
	uart_store(uart, byte, errors);
	uart_update(uart);
	return true;
}

bool vuart_input(struct vuart *uart, u8 byte)
{
	return uart_receive(uart, byte, 0);
}

bool vuart_break(struct vuart *uart)
{
	return uart_receive(uart, 0, LSR_BREAK);
}

/* Call input_ready if it is owed and there is room. The last thing that an access does. */
static void uart_offer_room(struct vuart *uart)
{
	if (!uart->input_refused || (uart->mcr & MCR_LOOPBACK) ||
	    uart->count >= uart_capacity(uart))
		return;
	uart->input_refused = false;
	uart->input_ready(uart->context);
}

static void uart_clear_receiver(struct vuart *uart)
{
	uart->count = 0;
	uart->timeout_pending = false;
}

static u8 uart_modem_lines(const struct vuart *uart)
{
	u8 mcr = uart->mcr;

	if (!(mcr & MCR_LOOPBACK))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (u8)((mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
		    (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static void uart_write_mcr(struct vuart *uart, u8 value)
{
	u8 before = uart_modem_lines(uart);
	u8 after;

	uart->mcr = value & 0x1f;
	after = uart_modem_lines(uart);
	/* Bits 3:0 tell that bits 7:4 changed, but bit 2 only that RI ended. */
	uart->deltas |= (u8)((before ^ after) >> 4) & (u8)~MSR_TERI;
	uart->deltas |= (u8)((before & ~after & MSR_RI) >> 4);
}

static void uart_write_ier(struct vuart *uart, u8 value)
{
	value &= 0x0f;
	if (value & ~uart->ier & IER_TRANSMIT)
		uart->transmit_pending = true;
	uart->ier = value;
}

static void uart_write_fcr(struct vuart *uart, u8 value)
{
	static const u8 triggers[4] = {1, 4, 8, 14};
	bool fifo = value & FCR_ENABLE;

	if (fifo != uart->fifo || (fifo && (value & FCR_RECEIVE_RESET)))
		uart_clear_receiver(uart);
	uart->fifo = fifo;
	uart->trigger = fifo ? triggers[value >> 6] : 1;
}

/* The byte leaves at once, so the transmitter is empty again: the interrupt ends and begins anew.
 */
static void uart_transmit(struct vuart *uart, u8 byte)
{
	uart->transmit_pending = false;
	uart_update_line(uart);
	uart->transmit_pending = true;
	if (uart->mcr & MCR_LOOPBACK)
		uart_loop(uart, byte);
	else
		uart->host->ops->console_output(uart->host, byte);
}

static u8 uart_read_data(struct vuart *uart)
{
	u8 byte = uart->data[uart->first];

	if (!uart->count)
		return byte;
	uart->first = (u8)((uart->first + 1) % VUART_FIFO_BYTES);
	uart->count--;
	uart->timeout_pending = false;
	uart->receive_activity = device_now(uart->host);
	return byte;
}

static u8 uart_read_iir(struct vuart *uart)
{
	u8 source = uart_identify(uart);

	if (source == IIR_TRANSMIT)
		uart->transmit_pending = false;
	return source | (uart->fifo ? IIR_FIFO : 0);
}

static u8 uart_read_lsr(struct vuart *uart)
{
	u8 value = LSR_EMPTY | (uart->overrun ? LSR_OVERRUN : 0);

	if (uart->count)
		value |= LSR_READY | uart->errors[uart->first];
	for (unsigned i = 0; uart->fifo && i < uart->count; i++)
		if (uart->errors[(uart->first + i) % VUART_FIFO_BYTES])
			value |= LSR_FIFO_ERROR;
	uart->overrun = false;
	if (uart->count)
		uart->errors[uart->first] = 0;
	return value;
}

static u8 uart_read_msr(struct vuart *uart)
{
	u8 value = uart_modem_lines(uart) | uart->deltas;

	uart->deltas = 0;
	return value;
}

static u8 uart_read(struct vuart *uart, unsigned offset)
{
	bool dlab = uart->lcr & LCR_DLAB;

	switch (offset) {
	case DATA:
		return dlab ? (u8)uart->divisor : uart_read_data(uart);
	case IER:
		return dlab ? (u8)(uart->divisor >> 8) : uart->ier;
	case IIR:
		return uart_read_iir(uart);
	case LCR:
		return uart->lcr;
	case MCR:
		return uart->mcr;
	case LSR:
		return uart_read_lsr(uart);
	case MSR:
		return uart_read_msr(uart);
	default:
		return uart->scratch;
	}
}

/* Any register on which something depends. */
static outlined void uart_write(struct vuart *uart, unsigned offset, u8 value)
{
	bool dlab = uart->lcr & LCR_DLAB;

	switch (offset) {
	case DATA:
		if (dlab)
			uart->divisor = (uart->divisor & 0xff00) | value;
		else
			uart_transmit(uart, value);
		break;
	case IER:
		if (dlab)
			uart->divisor = (u16)((uart->divisor & 0xff) | value << 8);
		else
			uart_write_ier(uart, value);
		break;
	case IIR:
		uart_write_fcr(uart, value);
		break;
	case LCR:
		uart->lcr = value;
		break;
	case MCR:
		uart_write_mcr(uart, value);
		break;
	default: /* LSR and MSR are read-only here: writing them is for factory tests */
		break;
	}
	uart_update(uart);
	uart_offer_room(uart);
}

static u64 vuart_read(void *device, u64 address, unsigned bytes)
{
	struct vuart *uart = device;
	unsigned offset = (unsigned)(address - uart->base) & 7;
	u8 value;

	(void)bytes;
	/* What drivers ask before each byte that they send: it changes nothing. */
	if (likely(offset == LSR && !uart->count && !uart->overrun))
		return LSR_EMPTY;
	value = uart_read(uart, offset);
	uart_update(uart);
	uart_offer_room(uart);
	return value;
}

static void vuart_write(void *device, u64 address, unsigned bytes, u64 value)
{
	struct vuart *uart = device;
	unsigned offset = (unsigned)(address - uart->base) & 7;

	(void)bytes;
	if (offset == SCRATCH)
		uart->scratch = (u8)value;
	else
		uart_write(uart, offset, (u8)value);
}

/* PC16550D, "reset configuration", with the divisor, which reset leaves open, at 115200 baud. */
void vuart_reset(struct vuart *uart)
{
	uart->ier = uart->lcr = uart->mcr = uart->deltas = 0;
	uart->divisor = 1;
	uart->fifo = false;
	uart->trigger = 1;
	uart->overrun = false;
	uart->transmit_pending = false;
	uart_clear_receiver(uart);
	uart_update(uart);
	uart_offer_room(uart);
}

void vuart_init(struct vuart *uart, struct device_host *host, u16 base, unsigned irq,
		void (*input_ready)(void *context), void *context)
{
	*uart = (struct vuart){
		.host = host,
		.base = base,
		.irq = irq,
		.input_ready = input_ready,
		.context = context,
		.timer = {.deadline = DEVICE_TIMER_OFF, .fire = uart_fire, .context = uart},
	};
	vuart_reset(uart);
}

const struct device_ops vuart_ops = {
	.name = "16550A",
	.read = vuart_read,
	.write = vuart_write,
	.widest_bytes = 1,
};
