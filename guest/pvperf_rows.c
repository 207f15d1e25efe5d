// SPDX-License-Identifier: GPL-2.0-only
/*
 * The matrix of slots, row by row.
 *
 * Slots form a matrix of rows and vCPUs.  An event that may run anywhere has a
 * whole row; events that are bound to different CPUs share one.  Called by
 * pvperf_ids.c, which keeps callers apart.
 */
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/slab.h>

#include <pvperf/abi.h>

#include "pvperf_rows.h"

struct pvperf_row {
	bool		whole;
	u32		users;		/* bound ones */
	unsigned long	*vcpus;		/* theirs; kept until the driver goes */
};

static struct pvperf_row rows[PVPERF_NR_ROWS];

static bool row_fits(const struct pvperf_row *row, bool bound, u32 vcpu)
{
	if (row->whole)
		return false;
	if (!row->users)
		return true;
	return bound && !test_bit(vcpu, row->vcpus);
}

int pvperf_row_get(bool bound, u32 vcpu)
{
	struct pvperf_row *row;
	u32 i;

	for (i = 0; i < PVPERF_NR_ROWS; i++)
		if (row_fits(&rows[i], bound, vcpu))
			break;
	if (i == PVPERF_NR_ROWS)
		return -EBUSY;

	row = &rows[i];
	if (!bound) {
		row->whole = true;
		return i;
	}
	if (!row->vcpus) {
		row->vcpus = bitmap_zalloc(PVPERF_MAX_VCPUS, GFP_KERNEL);
		if (!row->vcpus)
			return -ENOMEM;
	}
	__set_bit(vcpu, row->vcpus);
	row->users++;
	return i;
}

void pvperf_row_put(u32 row, bool bound, u32 vcpu)
{
	if (!bound) {
		rows[row].whole = false;
		return;
	}
	__clear_bit(vcpu, rows[row].vcpus);
	rows[row].users--;
}

void pvperf_rows_exit(void)
{
	u32 i;

	for (i = 0; i < PVPERF_NR_ROWS; i++)
		bitmap_free(rows[i].vcpus);
}
