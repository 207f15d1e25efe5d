/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_config.c: the command line of virtpvperfd.
 *
 * Only what cannot change while the daemon runs; limits and who may read stand
 * in the file (pvperf_host_config.c). The defaults are the paths that libvirt itself uses for the same kind of
 * connection, so that nothing has to be configured on a normal host. With
 * --run-dir everything of ours moves below that directory, state included:
 * a second daemon for a test never touches the first one's records.
 */
#include "pvperf_config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <gio/gio.h>

#define PVPERF_DEFAULT_URI "qemu:///system"

void
pvperfConfigFree(pvperfConfig *config)
{
    if (!config)
        return;
    g_free(config->uri);
    g_free(config->file);
    g_free(config->run_dir);
    g_free(config->state_dir);
    g_free(config->qemu_run_dir);
    g_free(config->backend);
    g_free(config->ivshmem_socket);
    g_free(config->keeper_socket);
    g_free(config->backend_dir);
    g_free(config);
}


/* The path of a URI is what stands behind its authority, up to ? or #. */
static bool
pvperfConfigUriIsSession(const char *uri)
{
    g_autoptr(GUri) parsed = g_uri_parse(uri, G_URI_FLAGS_NONE, NULL);

    return parsed && strcmp(g_uri_get_path(parsed), "/session") == 0;
}


static void
pvperfConfigDefaults(pvperfConfig *config)
{
    const char *runtime = g_get_user_runtime_dir();

    if (!config->uri)
        config->uri = g_strdup(PVPERF_DEFAULT_URI);
    config->session = pvperfConfigUriIsSession(config->uri);

    config->file_given = config->file != NULL;
    if (!config->file)
        config->file = g_build_filename(config->session ? g_get_user_config_dir() : PVPERF_SYSCONFDIR,
                                        "libvirt", "virtpvperfd.conf", NULL);
    if (!config->state_dir) {
        if (config->run_dir)
            config->state_dir = g_build_filename(config->run_dir, "state", NULL);
        else if (config->session)
            config->state_dir = g_build_filename(g_get_user_data_dir(), "libvirt", "pvperf", NULL);
        else
            config->state_dir = g_strdup("/var/lib/libvirt/pvperf");
    }
    if (!config->run_dir) {
        config->run_dir = config->session ?
            g_build_filename(runtime, "libvirt", "pvperf", NULL) :
            g_strdup("/run/libvirt/pvperf");
    }
    if (!config->qemu_run_dir) {
        config->qemu_run_dir = config->session ?
            g_build_filename(runtime, "libvirt", "qemu", "run", NULL) :
            g_strdup("/run/libvirt/qemu");
    }
    if (!config->backend)
        config->backend = g_strdup(PVPERF_BACKEND_PATH);

    config->ivshmem_socket = g_build_filename(config->run_dir, "ivshmem.sock", NULL);
    config->keeper_socket = g_build_filename(config->run_dir, "keeper.sock", NULL);
    config->backend_dir = g_build_filename(config->run_dir, "backend", NULL);
}


pvperfConfig *
pvperfConfigNew(int argc,
                char **argv,
                GError **error)
{
    g_autoptr(pvperfConfig) config = g_new0(pvperfConfig, 1);
    g_autofree char *manage = NULL;
    gboolean verbose = FALSE;
    gboolean version = FALSE;
    const GOptionEntry entries[] = {
        { "uri", 'c', 0, G_OPTION_ARG_STRING, &config->uri,
          "libvirt connection (default " PVPERF_DEFAULT_URI ")", "URI" },
        { "config", 'f', 0, G_OPTION_ARG_FILENAME, &config->file,
          "configuration (default " PVPERF_SYSCONFDIR "/libvirt/virtpvperfd.conf)", "FILE" },
        { "run-dir", 0, 0, G_OPTION_ARG_FILENAME, &config->run_dir,
          "directory of our sockets", "DIR" },
        { "state-dir", 0, 0, G_OPTION_ARG_FILENAME, &config->state_dir,
          "directory of our records (default RUN-DIR/state if --run-dir is given)", "DIR" },
        { "qemu-run-dir", 0, 0, G_OPTION_ARG_FILENAME, &config->qemu_run_dir,
          "directory of libvirt's pid files and status XML", "DIR" },
        { "backend", 0, 0, G_OPTION_ARG_FILENAME, &config->backend,
          "backend program (default " PVPERF_BACKEND_PATH ")", "PATH" },
        { "manage-devices", 0, 0, G_OPTION_ARG_STRING, &manage,
          "auto: give a domain with <pvperf> its device; manual: never change an XML", "auto|manual" },
        { "verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose,
          "log every step", NULL },
        { "version", 'V', 0, G_OPTION_ARG_NONE, &version,
          "print the version and exit", NULL },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- paravirtual perf for libvirt's QEMU domains");

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return NULL;

    if (argc > 1) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "unexpected argument '%s': there are only options", argv[1]);
        return NULL;
    }
    if (manage && strcmp(manage, "auto") != 0 && strcmp(manage, "manual") != 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--manage-devices is '%s', allowed are 'auto' and 'manual'", manage);
        return NULL;
    }

    config->manual = g_strcmp0(manage, "manual") == 0;
    config->verbose = verbose;
    config->version = version;
    pvperfConfigDefaults(config);
    return g_steal_pointer(&config);
}


bool
pvperfConfigPrepareDirs(const pvperfConfig *config,
                        GError **error)
{
    const struct {
        const char *path;
        mode_t mode;
    } dirs[] = {
        { config->run_dir, 0755 },
        { config->backend_dir, 0700 },
        { config->state_dir, 0700 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(dirs); i++) {
        if (g_mkdir_with_parents(dirs[i].path, dirs[i].mode) < 0) {
            g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
                        "cannot make the directory %s: %s",
                        dirs[i].path, g_strerror(errno));
            return false;
        }
    }
    return true;
}
