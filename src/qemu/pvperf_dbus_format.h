/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_dbus_format.h: dictionaries of the D-Bus interface, made of plain
 * data. docs/dbus.rst explains each key.
 */
#pragma once

#include <glib.h>

#include "../backend/pvperf_control.h"
#include "conf/pvperf_host_policy.h"
#include "pvperf_groups.h"

/* What is known of a domain when its backend was asked; a copy, because the
 * domain may be gone when the answer comes. */
typedef struct _pvperfDomainView pvperfDomainView;
struct _pvperfDomainView {
    char *name;
    char *uuid;
    int id;
    const char *state;
    char *reason;
    char *policy_name;          /* or NULL */
    char *group_name;           /* or NULL */
    bool migratable;
    bool differs;
    bool serves;                /* a backend was asked */
    bool fresh;                 /* and answered */
    pvperfPolicy policy;
    pvperfGroupLimits group_limits;
    pvperfGroupUse group_use;   /* members 0: in no group now */
    pvperfControlStats stats;
};

void pvperfDomainViewFree(pvperfDomainView *view);

/* All floating, a{sv}. */
GVariant *pvperfDBusFormatDomain(const pvperfDomainView *view);
GVariant *pvperfDBusFormatStats(const pvperfDomainView *view);
GVariant *pvperfDBusFormatPolicy(const pvperfEffective *effective);
GVariant *pvperfDBusFormatEvent(const pvperfControlRecord *record);
