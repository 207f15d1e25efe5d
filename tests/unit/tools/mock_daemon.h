/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mock_daemon.h: a virtpvperfd that answers from a file.
 *
 * Owns the name org.pvperf.Daemon1 on the bus at an address and serves the
 * interface of schemas/org.pvperf.Daemon1.xml from a thread of its own, so
 * that GDBus itself refuses a call or answer whose types are not the
 * interface's. For the tests of tools/ alone.
 */
#pragma once

#include <gio/gio.h>

typedef struct _mockDaemon mockDaemon;

mockDaemon *mockDaemonStart(const char *address,
                            const char *interface_xml);

/* Answers of the next calls: a key file with a group per method, in it
 * "reply" (or, for GetEvents, the uuid) = GVariant text, or "error" = name and
 * message. Group "properties": one value per property. */
void mockDaemonSetAnswers(mockDaemon *mock,
                          const char *path);

void mockDaemonStop(mockDaemon *mock);
