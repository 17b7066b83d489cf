/* SPDX-License-Identifier: MIT */
/* 8259A pair (Intel 231468) with the edge/level control registers of the 82371SB (PIIX3). */

#include "vpic.h"

#define MASTER_CASCADE 2
#define NONE	       8 /* no input */

/* 82371SB, ELCR: the timer, the keyboard, the cascade, the clock and the FPU are always edges. */
static const u8 level_allowed[2] = {0xf8, 0xde};

#define ICW1	  0x10 /* D4 on the even port: ICW1; else D3 tells OCW3 from OCW2 */
#define ICW1_IC4  0x01
#define ICW1_SNGL 0x02
#define ICW4_AEOI 0x02
#define ICW4_SFNM 0x10

#define OCW2_EOI    0x20
#define OCW2_SL	    0x40
#define OCW2_ROTATE 0x80

#define OCW3	  0x08
#define OCW3_RIS  0x01
#define OCW3_RR	  0x02
#define OCW3_POLL 0x04
#define OCW3_SMM  0x20
#define OCW3_ESMM 0x40

static u8 bit_of(unsigned input)
{
	return (u8)(1u << input);
}

static u8 chip_requests(const struct vpic_chip *chip)
{
	u8 level = chip->level | chip->cascade;

	return (u8)((chip->lines & level) | (chip->latches & ~level));
}

/* The input of `set` with the highest priority, or NONE. */
static unsigned chip_first(const struct vpic_chip *chip, u8 set)
{
	unsigned highest = (chip->lowest + 1) & 7;
	/* From bit 0 on in the order of priorities, and once more, which is cut off. */
	unsigned rotated = (set | (unsigned)set << 8) >> highest & 0xff;

	return rotated ? ((unsigned)__builtin_ctz(rotated) + highest) & 7 : NONE;
}

static unsigned chip_rank(const struct vpic_chip *chip, unsigned input)
{
	return (input - chip->lowest - 1) & 7;
}

/* In-service inputs that hold others back. Special mask mode exempts those that are masked. */
static u8 chip_blockers(const struct vpic_chip *chip)
{
	return chip->special_mask ? (u8)(chip->in_service & ~chip->mask) : chip->in_service;
}

/* Of inputs that ask, the one that the chip asks for, or NONE. */
static unsigned chip_choose(const struct vpic_chip *chip, u8 asking)
{
	unsigned request = chip_first(chip, asking);
	unsigned blocker;

	if (!chip->ready)
		return NONE;
	blocker = chip_first(chip, chip_blockers(chip));
	if (blocker == NONE || chip_rank(chip, request) < chip_rank(chip, blocker))
		return request;
	/* Special fully nested mode: a slave in service may ask for something more urgent. */
	if (request == blocker && chip->special_nested && (chip->cascade & bit_of(request)))
		return request;
	return NONE;
}

/* The input whose interrupt the chip asks for now, or NONE, as most often. */
static inline unsigned chip_resolve(const struct vpic_chip *chip)
{
	u8 asking = (u8)(chip_requests(chip) & ~chip->mask);

	return likely(!asking) ? NONE : chip_choose(chip, asking);
}

static void chip_line_set(struct vpic_chip *chip, unsigned input, bool level)
{
	u8 bit = bit_of(input);

	if (level && !(chip->lines & bit)) {
		chip->lines |= bit;
		chip->latches |= bit;
	} else if (!level) {
		chip->lines &= (u8)~bit;
		chip->latches &= (u8)~bit;
	}
}

/* INTA or a poll takes `input`. */
static void chip_take(struct vpic_chip *chip, unsigned input)
{
	chip->latches &= (u8)~bit_of(input);
	if (!chip->auto_eoi)
		chip->in_service |= bit_of(input);
	else if (chip->rotate_auto)
		chip->lowest = (u8)input;
}

static void pic_update(struct vpic *pic)
{
	bool intr;

	chip_line_set(&pic->chip[0], MASTER_CASCADE, chip_resolve(&pic->chip[1]) != NONE);
	intr = chip_resolve(&pic->chip[0]) != NONE;
	if (intr == pic->intr)
		return;
	pic->intr = intr;
	pic->output_changed(pic->context, intr);
}

static void chip_reset(struct vpic_chip *chip, u8 cascade)
{
	*chip = (struct vpic_chip){.lines = chip->lines, .lowest = 7, .cascade = cascade};
}

void vpic_reset(struct vpic *pic)
{
	chip_reset(&pic->chip[0], bit_of(MASTER_CASCADE));
	chip_reset(&pic->chip[1], 0);
	pic_update(pic);
}

void vpic_init(struct vpic *pic, void (*output_changed)(void *context, bool level), void *context)
{
	*pic = (struct vpic){.output_changed = output_changed, .context = context};
	vpic_reset(pic);
}

void vpic_irq_set(struct vpic *pic, unsigned irq, bool level)
{
	if (irq > 15 || irq == MASTER_CASCADE)
		return;
	chip_line_set(&pic->chip[irq >> 3], irq & 7, level);
	pic_update(pic);
}

/* A request that went away before INTA is answered as input 7, without in-service bit. */
static unsigned chip_acknowledge(struct vpic_chip *chip)
{
	unsigned input = chip_resolve(chip);

	if (input == NONE)
		return 7;
	chip_take(chip, input);
	return input;
}

u8 vpic_acknowledge(struct vpic *pic)
{
	struct vpic_chip *chip = &pic->chip[0];
	bool real = chip_resolve(chip) != NONE;
	unsigned input = chip_acknowledge(chip);

	if (real && !chip->single && input == MASTER_CASCADE) {
		chip = &pic->chip[1];
		input = chip_acknowledge(chip);
	}
	pic_update(pic);
	return (u8)(chip->base | input);
}

static void chip_write_icw1(struct vpic_chip *chip, u8 value)
{
	*chip = (struct vpic_chip){
		.lines = chip->lines,
		.level = chip->level,
		.cascade = chip->cascade,
		.base = chip->base,
		.lowest = 7,
		.icw = 2,
		.icw4_follows = value & ICW1_IC4,
		.single = value & ICW1_SNGL,
	};
}

static void chip_eoi(struct vpic_chip *chip, u8 value)
{
	/* In special mask mode the non-specific EOI passes over masked levels. */
	unsigned input = value & OCW2_SL ? value & 7u : chip_first(chip, chip_blockers(chip));

	if (input == NONE)
		return;
	chip->in_service &= (u8)~bit_of(input);
	if (value & OCW2_ROTATE)
		chip->lowest = (u8)input;
}

static void chip_write_ocw2(struct vpic_chip *chip, u8 value)
{
	if (value & OCW2_EOI)
		chip_eoi(chip, value);
	else if (!(value & OCW2_SL))
		chip->rotate_auto = value & OCW2_ROTATE;
	else if (value & OCW2_ROTATE)
		chip->lowest = value & 7;
}

static void chip_write_ocw3(struct vpic_chip *chip, u8 value)
{
	if (value & OCW3_ESMM)
		chip->special_mask = value & OCW3_SMM;
	if (value & OCW3_POLL)
		chip->poll = true;
	else if (value & OCW3_RR)
		chip->read_in_service = value & OCW3_RIS;
}

/* The odd port: ICW2 to ICW4 while initialising, the mask otherwise. */
static void chip_write_data(struct vpic_chip *chip, u8 value)
{
	switch (chip->icw) {
	case 0:
		chip->mask = value;
		return;
	case 2:
		chip->base = value & 0xf8;
		chip->icw = chip->single ? (chip->icw4_follows ? 4 : 0) : 3;
		break;
	case 3: /* The wiring is fixed, whatever the value says. */
		chip->icw = chip->icw4_follows ? 4 : 0;
		break;
	default:
		chip->auto_eoi = value & ICW4_AEOI;
		chip->special_nested = value & ICW4_SFNM;
		chip->icw = 0;
	}
	chip->ready = !chip->icw;
}

static seldom u8 chip_poll(struct vpic *pic, struct vpic_chip *chip)
{
	unsigned input = chip_resolve(chip);

	chip->poll = false;
	if (input == NONE)
		return 0;
	chip_take(chip, input);
	pic_update(pic);
	return (u8)(0x80 | input);
}

static u64 vpic_read(void *device, u64 address, unsigned bytes)
{
	struct vpic *pic = device;
	struct vpic_chip *chip = &pic->chip[address >= 0xa0];

	(void)bytes;
	if (address >= 0x4d0)
		return pic->chip[address & 1].level;
	if (unlikely(chip->poll))
		return chip_poll(pic, chip);
	if (address & 1)
		return chip->mask;
	return chip->read_in_service ? chip->in_service : chip_requests(chip);
}

static void vpic_write(void *device, u64 address, unsigned bytes, u64 value)
{
	struct vpic *pic = device;
	struct vpic_chip *chip = &pic->chip[address >= 0xa0];
	u8 byte = (u8)value;

	(void)bytes;
	if (address >= 0x4d0)
		pic->chip[address & 1].level = byte & level_allowed[address & 1];
	else if (address & 1)
		chip_write_data(chip, byte);
	else if (byte & ICW1)
		chip_write_icw1(chip, byte);
	else if (byte & OCW3)
		chip_write_ocw3(chip, byte);
	else
		chip_write_ocw2(chip, byte);
	pic_update(pic);
}

const struct device_ops vpic_ops = {
	.name = "8259A",
	.read = vpic_read,
	.write = vpic_write,
	.widest_bytes = 1,
};
