/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_host_config.c: reads virtpvperfd.conf and what stands beside it.
 *
 * The file looks like libvirt's own (KEY = VALUE, # in front of a comment) and
 * is read by GLib: lines by GKeyFile, values by GVariant's text form. The keys
 * stand in one table, with the range of each.
 */
#include "pvperf_host_config.h"

#include <string.h>

#include <gio/gio.h>

#include "pvperf_host_config_keys.h"

/* GKeyFile wants one */
#define PVPERF_SECTION "virtpvperfd"

static const char *const kindDirs[] = {
    [PVPERF_HOST_POLICY] = "policies",
    [PVPERF_HOST_GROUP] = "groups",
};


void
pvperfHostConfigFree(pvperfHostConfig *config)
{
    if (!config)
        return;
    pvperfHostPolicyFree(config->policy);
    g_free(config->backend_user);
    pvperfSandboxUserClear(&config->user);
    g_free(config);
}


/* ---- virtpvperfd.conf ---- */

/* The text under a header of its own; NULL with @error, or without one if there
 * is no such file and none is required. */
static GKeyFile *
pvperfHostConfigOpen(const char *path,
                     bool required,
                     GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) failed = NULL;
    g_autofree char *text = NULL;
    g_autofree char *with_header = NULL;
    g_auto(GStrv) sections = NULL;

    if (!g_file_get_contents(path, &text, NULL, &failed)) {
        if (required || !g_error_matches(failed, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            g_propagate_error(error, g_steal_pointer(&failed));
        return NULL;
    }
    with_header = g_strconcat("[" PVPERF_SECTION "]\n", text, NULL);
    if (!g_key_file_load_from_data(file, with_header, -1, G_KEY_FILE_NONE, error)) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    sections = g_key_file_get_groups(file, NULL);
    if (sections[1]) {
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_PARSE,
                    "%s: the section [%s] is not known; allowed: lines KEY = VALUE without sections",
                    path, sections[1]);
        return NULL;
    }
    return g_steal_pointer(&file);
}


static bool
pvperfHostConfigRead(pvperfHostConfig *config,
                     const char *path,
                     bool required,
                     GError **error)
{
    g_autoptr(GError) failed = NULL;
    g_autoptr(GKeyFile) file = pvperfHostConfigOpen(path, required, &failed);
    g_auto(GStrv) keys = NULL;
    size_t i;

    if (failed) {
        g_propagate_error(error, g_steal_pointer(&failed));
        return false;
    }
    if (!file)
        return true;
    keys = g_key_file_get_keys(file, PVPERF_SECTION, NULL, NULL);
    for (i = 0; keys[i]; i++) {
        g_autofree char *value = g_key_file_get_value(file, PVPERF_SECTION, keys[i], NULL);

        if (!pvperfHostConfigSet(config, keys[i], value, error)) {
            g_prefix_error(error, "%s: ", path);
            return false;
        }
    }
    return true;
}


/* ---- policies and groups ---- */

static void
pvperfHostConfigReadNamed(pvperfHostConfig *config,
                          pvperfHostKind kind,
                          const char *dir,
                          const char *file,
                          const pvperfHostConfig *old)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    g_autofree char *name = g_strndup(file, strlen(file) - strlen(".xml"));
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    if (g_file_get_contents(path, &text, NULL, &error) &&
        pvperfHostPolicyAdd(config->policy, kind, name, text, &error))
        return;
    g_warning("%s '%s' is %s: %s: %s", pvperfHostKindName(kind), name,
              old && g_hash_table_contains(old->policy->named[kind], name) ? "kept as it was" : "left out",
              path, error->message);
    pvperfHostPolicyBroken(config->policy, kind, name, error->message, old ? old->policy : NULL);
}


static void
pvperfHostConfigReadDir(pvperfHostConfig *config,
                        pvperfHostKind kind,
                        const char *dir,
                        const pvperfHostConfig *old)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) open = g_dir_open(dir, 0, &error);
    const char *file;

    if (!open) {
        if (!g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            g_warning("no %s is read: %s", pvperfHostKindName(kind), error->message);
        return;
    }
    while ((file = g_dir_read_name(open))) {
        if (g_str_has_suffix(file, ".xml") && file[0] != '.')
            pvperfHostConfigReadNamed(config, kind, dir, file, old);
    }
}


static bool
pvperfHostConfigCheckPolicy(const pvperfHostConfig *config,
                            GError **error)
{
    const char *name = config->policy->default_policy;
    g_autofree char *names = NULL;

    if (!name || g_hash_table_contains(config->policy->named[PVPERF_HOST_POLICY], name) ||
        g_hash_table_contains(config->policy->broken[PVPERF_HOST_POLICY], name))
        return true;
    names = pvperfHostPolicyNames(config->policy, PVPERF_HOST_POLICY);
    g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                "default_policy = \"%s\": there is no such policy; allowed: %s", name, names);
    return false;
}


/* What stands for something else: it has to exist. */
static bool
pvperfHostConfigCheck(pvperfHostConfig *config,
                      const char *path,
                      GError **error)
{
    if (pvperfHostConfigCheckPolicy(config, error) &&
        pvperfSandboxUserFind(&config->user, config->backend_user, error))
        return true;
    g_prefix_error(error, "%s: ", path);
    return false;
}


pvperfHostConfig *
pvperfHostConfigLoad(const char *path,
                     bool required,
                     const pvperfHostConfig *old,
                     GError **error)
{
    g_autoptr(pvperfHostConfig) config = g_new0(pvperfHostConfig, 1);
    g_autofree char *dir = g_path_get_dirname(path);
    int kind;

    config->policy = pvperfHostPolicyNew();
    config->manage_devices = true;
    if (!pvperfHostConfigRead(config, path, required, error))
        return NULL;
    for (kind = 0; kind < PVPERF_HOST_NR_KINDS; kind++) {
        g_autofree char *named = g_build_filename(dir, "pvperf", kindDirs[kind], NULL);

        pvperfHostConfigReadDir(config, kind, named, old);
    }
    if (!pvperfHostConfigCheck(config, path, error))
        return NULL;
    return g_steal_pointer(&config);
}
