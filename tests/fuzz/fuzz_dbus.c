/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_dbus.c: arguments of the methods of org.pvperf.Daemon1.
 *
 * The first byte chooses the method, the rest are the arguments as GVariant's bytes, put
 * into normal form as GLib's framing does. The handlers are the daemon's (the file is included: they
 * are static); behind them stands a driver of two domains, and an answer is only counted. Each
 * call is answered once.
 */
#include <gio/gio.h>

static void fuzzReturnError(GDBusMethodInvocation *invocation,
                            const char *name,
                            const char *message);
static void fuzzReturnValue(GDBusMethodInvocation *invocation,
                            GVariant *value);

#define g_dbus_method_invocation_return_dbus_error fuzzReturnError
#define g_dbus_method_invocation_return_value fuzzReturnValue
#include "../../src/qemu/pvperf_dbus.c"

#include "fuzz.h"

static const struct {
    const char *name;
    const char *type;
} methods[] = {
    { "ListDomains", "()" },
    { "GetEvents", "(s)" },
    { "GetStats", "(as)" },
    { "GetPolicy", "(su)" },
    { "GetCapabilities", "()" },
    { "NoSuchMethod", "(s)" },
};

static pvperfHostConfig host;
static pvperfReading readings[2];
static pvperfDomain domains[2];
static pvperfCapabilities capabilities;
static uint32_t answers;

pvperfDomain *__wrap_pvperfDriverFind(pvperfDriver *driver,
                                      const char *uuid);
GPtrArray *__wrap_pvperfDriverDomains(pvperfDriver *driver);
const pvperfHostConfig *__wrap_pvperfDriverHostConfig(pvperfDriver *driver);
const pvperfCapabilities *__wrap_pvperfDriverProbe(pvperfDriver *driver);


static void
fuzzReturnError(GDBusMethodInvocation *invocation,
                const char *name,
                const char *message)
{
    fuzzExpect(g_dbus_is_interface_name(name) && g_utf8_validate(message, -1, NULL));
    answers++;
}


static void
fuzzReturnValue(GDBusMethodInvocation *invocation,
                GVariant *value)
{
    g_variant_unref(g_variant_ref_sink(value));
    answers++;
}


pvperfDomain *
__wrap_pvperfDriverFind(pvperfDriver *driver,
                        const char *uuid)
{
    return uuid[0] == 'a' ? &domains[0] : uuid[0] == 'b' ? &domains[1] : NULL;
}


GPtrArray *
__wrap_pvperfDriverDomains(pvperfDriver *driver)
{
    GPtrArray *all = g_ptr_array_new();

    g_ptr_array_add(all, &domains[0]);
    g_ptr_array_add(all, &domains[1]);
    return all;
}


const pvperfHostConfig *
__wrap_pvperfDriverHostConfig(pvperfDriver *driver)
{
    return &host;
}


const pvperfCapabilities *
__wrap_pvperfDriverProbe(pvperfDriver *driver)
{
    return &capabilities;
}


int
LLVMFuzzerInitialize(int *argc,
                     char ***argv)
{
    static char *names[] = { "one", "two" };
    int i;

    host.policy = pvperfHostPolicyNew();
    fuzzExpect(pvperfHostPolicyAdd(host.policy, PVPERF_HOST_POLICY, "gold",
                                   "<pvperf><events max='64' per_vcpu='8'/></pvperf>", NULL));
    capabilities.host.virtualization = "none";
    for (i = 0; i < 2; i++) {
        readings[i] = (pvperfReading) { .uuid = names[i], .name = names[i], .id = i, .exists = true, .active = i };
        domains[i] = (pvperfDomain) { .uuid = names[i], .reading = &readings[i], .reason = (char *)"" };
    }
    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data,
                       size_t size)
{
    fuzzInput input = { data, size };
    uint8_t method = fuzzByte(&input) % G_N_ELEMENTS(methods);
    g_autoptr(GBytes) bytes = g_bytes_new(input.data, input.size);
    g_autoptr(GVariant) raw = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(methods[method].type),
                                                                          bytes, FALSE));
    g_autoptr(GVariant) args = g_variant_get_normal_form(raw);
    pvperfDBus dbus = { .driver = NULL };

    answers = 0;
    pvperfDBusCallMethod(&dbus, methods[method].name, args, NULL);
    fuzzExpect(answers == 1);
    return 0;
}
