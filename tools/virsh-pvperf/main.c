/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c: the process around pvperfShellRun().
 *
 * virsh-pvperf is a client without privileges: it reads from virtpvperfd over
 * D-Bus and changes domains only through libvirt, so that libvirt's access
 * control is the only authority.
 */
#include <locale.h>

#include "pvperf_shell.h"

int
main(int argc,
     char **argv)
{
    setlocale(LC_ALL, "");
    return pvperfShellRun(argv, stdout, stderr);
}
