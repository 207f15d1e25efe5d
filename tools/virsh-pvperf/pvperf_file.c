/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_file.c: reading a file that the user named.
 *
 * A file, a pipe or standard input, read to its end, bounded. Called by
 * "validate" and "enable --file".
 */
#include "pvperf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "pvperf_shell.h"

/* Appends what is to be read from @fd; returns 0 or errno. */
static int
pvperfFileReadAll(int fd,
                  GString *text)
{
    char buffer[8192];
    ssize_t got;

    while (text->len <= PVPERF_FILE_MAX) {
        got = TEMP_FAILURE_RETRY(read(fd, buffer, sizeof(buffer)));
        if (got < 0)
            return errno;
        if (got == 0)
            return 0;
        g_string_append_len(text, buffer, got);
    }
    return EFBIG;
}

char *
pvperfFileRead(const char *path,
               GError **error)
{
    const bool is_stdin = g_str_equal(path, "-");
    const int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    g_autoptr(GString) text = g_string_new(NULL);
    int err;

    err = fd < 0 ? errno : pvperfFileReadAll(fd, text);
    if (fd >= 0 && !is_stdin)
        close(fd);
    if (err) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_FAILED,
                    "cannot read '%s': %s", path, g_strerror(err));
        return NULL;
    }
    if (!g_utf8_validate(text->str, (gssize) text->len, NULL)) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_FAILED,
                    "'%s' is not UTF-8 text", path);
        return NULL;
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}
