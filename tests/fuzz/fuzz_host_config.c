/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_host_config.c: virtpvperfd.conf, and the policies and groups beside it.
 *
 * An input is texts that are separated by the byte 0xff: the configuration, an element of a
 * domain, then files of the directories policies and groups by turns, named a.xml, b.xml, ...
 * The loader's calls for files and directories end here (the linker's --wrap).
 */
#include "fuzz_glib.h"
#include "qemu/pvperf_host_config.h"

#define TEXTS 8
#define VCPUS 4

typedef struct _fuzzDir fuzzDir;
struct _fuzzDir {
    int next;                   /* text; policies are the even ones */
    char name[8];
};

static const char *texts[TEXTS];

gboolean __wrap_g_file_get_contents(const char *path,
                                    char **contents,
                                    gsize *length,
                                    GError **error);
GDir *__wrap_g_dir_open(const char *path,
                        guint flags,
                        GError **error);
const char *__wrap_g_dir_read_name(GDir *dir);
void __wrap_g_dir_close(GDir *dir);


gboolean
__wrap_g_file_get_contents(const char *path,
                           char **contents,
                           gsize *length,
                           GError **error)
{
    const char *base = strrchr(path, '/') + 1;

    (void)length;
    (void)error;
    *contents = g_strdup(texts[strlen(base) == strlen("a.xml") ? 2 + base[0] - 'a' : 0]);
    return TRUE;
}


GDir *
__wrap_g_dir_open(const char *path,
                  guint flags,
                  GError **error)
{
    fuzzDir *dir = g_new0(fuzzDir, 1);

    (void)flags;
    (void)error;
    dir->next = g_str_has_suffix(path, "policies") ? 2 : 3;
    return (GDir *)dir;
}


const char *
__wrap_g_dir_read_name(GDir *opaque)
{
    fuzzDir *dir = (fuzzDir *)opaque;

    if (dir->next >= TEXTS || !texts[dir->next])
        return NULL;
    snprintf(dir->name, sizeof(dir->name), "%c.xml", 'a' + dir->next - 2);
    dir->next += 2;
    return dir->name;
}


void
__wrap_g_dir_close(GDir *dir)
{
    g_free(dir);
}


int
LLVMFuzzerInitialize(int *argc,
                     char ***argv)
{
    fuzzQuiet();
    return 0;
}


/* What is granted is within the ceilings, whatever was asked for. */
static void
checkEffective(const pvperfHostConfig *config,
               const char *element)
{
    const pvperfPolicy *ceiling = &config->policy->ceiling;
    g_autoptr(pvperfDomainDef) def = pvperfDomainDefParseString(element, NULL);
    pvperfEffective effective = { .policy_name = NULL };
    pvperfPolicy shared;

    if (def && pvperfHostPolicyEffective(config->policy, def, VCPUS, &effective, NULL)) {
        fuzzExpect(effective.policy.max >= 1 && effective.policy.max <= ceiling->max);
        fuzzExpect(effective.policy.per_vcpu >= 1 && effective.policy.per_vcpu <= ceiling->per_vcpu);
        fuzzExpect(!(effective.policy.classes & ~ceiling->classes));
        fuzzExpect(effective.policy.nraw <= PVPERF_RAW_MAX);
        if (effective.group_name)
            fuzzExpect(pvperfHostPolicyGroup(config->policy, effective.group_name, &shared));
    }
    pvperfEffectiveClear(&effective);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data,
                       size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(pvperfHostConfig) old = NULL;
    g_autoptr(pvperfHostConfig) config = NULL;
    char *p = text;
    int i;

    memset(texts, 0, sizeof(texts));
    texts[1] = "";
    for (i = 0; i < TEXTS && p; i++) {
        texts[i] = p;
        p = strchr(p, '\xff');
        if (p)
            *p++ = '\0';
    }
    old = pvperfHostConfigLoad("/etc/libvirt/virtpvperfd.conf", true, NULL, NULL);
    config = pvperfHostConfigLoad("/etc/libvirt/virtpvperfd.conf", true, old, NULL);
    fuzzExpect(!old == !config);
    if (config)
        checkEffective(config, texts[1]);
    return 0;
}
