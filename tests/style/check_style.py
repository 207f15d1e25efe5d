# SPDX-License-Identifier: LGPL-2.1-or-later
"""check_style.py SOURCE_DIR: named rules about the text of the tree.

Each rule says which files it is about, what it does not want, an example of
it (the rule is tried on the example first), and what to do instead. A rule
about lines is one entry of LINE_RULES; one about a whole file a function in
FILE_RULES. There are no exceptions for single lines: a rule that is wrong
somewhere has the wrong idea of its files.
"""
import os
import re
import subprocess
import sys

MAX_COLUMNS = 120
MAX_LINES = {"src": 600, "tools": 600, "guest": 750}

CODE = r"(include|src|tools|guest|tests|schemas)/.*\.[ch]$"
PRODUCT = r"(src|tools)/.*\.[ch]$"
RECORDED = r"LICENSES/|.*/(data|golden|corpus)/"  # what others wrote, or what a program printed
TEXT = rf"(?!{RECORDED}).*"

# name, files, unwanted, example of it, what to do instead
LINE_RULES = [
    ("tab", r"(src|tools|tests/(unit|bench))/.*\.[ch]$|.*\.(py|rng)$", r"\t", "\tint i;",
     "indent with 4 spaces; only what runs in a guest, and abi.h, is in the kernel's style"),
    ("trailing-blank", TEXT, r"[ \t]+$", "int i; ", "remove the blanks at the end of the line"),
    ("carriage-return", TEXT, r"\r", "int i;\r", "end lines with a newline alone"),
    ("strcpy", CODE, r"\b(strcpy|strcat|stpcpy)\s*\(", "strcpy(a, b);",
     "use g_strlcpy, g_strdup or snprintf: they know the size"),
    ("sprintf", CODE, r"\bv?sprintf\s*\(", "sprintf(a, b);", "use snprintf or g_strdup_printf"),
    ("strncpy", PRODUCT, r"\bstrncpy\s*\(", "strncpy(a, b, n);",
     "use g_strlcpy or snprintf: strncpy may leave the text without an end"),
    ("atoi", PRODUCT, r"\b(atoi|atol|atoll|atof)\s*\(", "n = atoi(s);",
     "use g_ascii_string_to_unsigned or strtoul with its end pointer: atoi takes anything for a number"),
    ("system", PRODUCT, r"\b(system|popen|wordexp)\s*\(", "system(command);",
     "use GSubprocess or posix_spawn with an argument vector: no shell in between"),
    ("strtok", CODE, r"\bstrtok\s*\(", "strtok(s, t);", "use g_strsplit or strtok_r"),
    ("gets", CODE, r"(?<!f)\bgets\s*\(", "gets(s);", "use fgets or getline"),
    ("alloca", CODE, r"\bg?_?(alloca|newa)\s*\(", "alloca(n);", "use a fixed size or the heap"),
    ("mktemp", CODE, r"\b(mktemp|tmpnam|tempnam)\s*\(", "mktemp(s);", "use mkstemp, mkdtemp or memfd_create"),
    ("readdir_r", CODE, r"\breaddir_r\s*\(", "readdir_r(d);", "use readdir"),
    ("strerror", r"(src/(qemu|conf)|tools)/.*\.[ch]$", r"\bstrerror\s*\(", "strerror(errno)", "use g_strerror"),
    ("glib", r"src/(backend|ivshmem)/.*\.[ch]$", r"#\s*include\s*<(glib|gio)", "#include <glib.h>",
     "this part uses the C library alone"),
    ("layer-backend", r"src/(backend|ivshmem)/.*\.[ch]$", r"#\s*include\s*<(libvirt|libxml|gio)/",
     "#include <libxml/tree.h>", "backend and keeper know no XML and no libvirt: the daemon tells them"),
    ("layer-conf", r"src/conf/.*\.[ch]$", r"#\s*include\s*(<libvirt/|<gio/|\".*(qemu|backend)/)",
     "#include <libvirt/libvirt.h>", "src/conf is data without I/O"),
    ("layer-tools", r"tools/.*\.[ch]$", r"#\s*include\s*\".*(qemu|backend|ivshmem)/",
     '#include "qemu/pvperf_driver.h"', "tools talk to the daemon over D-Bus"),
    ("abi-alone", r"include/pvperf/abi\.h$", r"#\s*include\s+(?!<linux/types\.h>)\S", "#include <stdint.h>",
     "guest and host share abi.h: it includes <linux/types.h> and nothing else"),
    ("prefix", PRODUCT, r"^vir[A-Z]\w*\(", "virPvperfParse(int a)", "our names begin with pvperf; vir is libvirt's"),
    ("file-name", r"(src|tools)/.*/(?!pvperf_|virtpvperfd|main\.)[^/]*\.[ch]$", r".", "x",
     "name the file pvperf_*.c or .h (main.c: a program of several commands)"),
    ("todo", r"(?!tests/style/).*\.(c|h|py|sh|rst|md|build)$", r"\b(TODO|FIXME|XXX)\b", "/* TODO: more */",
     "do it, or say in docs/ that it is not there"),
    ("local-path", r"(?!tests/style/).*", r"/work/(main|shared)|/tmp/(brief|wt)", "see /work/shared/x",
     "the tree speaks of itself alone: no path of the machine it was written on"),
]


def source_files(root):
    """What is, or may be, in version control."""
    try:
        listed = subprocess.run(
            ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True, check=True).stdout
        return sorted(name for name in listed.decode().split("\0")
                      if name and os.path.isfile(os.path.join(root, name)))
    except (OSError, subprocess.CalledProcessError):
        found = []
        for folder, folders, names in os.walk(root):
            folders[:] = [f for f in folders
                          if not f.startswith(".") and not os.path.exists(os.path.join(folder, f, "meson-private"))]
            found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
        return sorted(found)


def columns(line):
    return len(line.expandtabs(8))


def check_spdx(name, lines):
    files = r"(?!.*/(data|golden)/).*\.([chS]|py|sh|rng|in|build)$|docs/.*\.rst$|(check|demo)$|\.ci/"
    if not re.match(files, name):
        return
    if not any("SPDX-License-Identifier:" in line for line in lines[:12]):
        yield 1, "spdx", "begin the file with its SPDX-License-Identifier"


def check_head(name, lines):
    if not re.match(CODE, name):
        return
    head = "\n".join(lines[1:20])
    comment = re.match(r"/\*\n \* (.|\n)*?\*/", head) or re.match(r"/\*\n \* (.|\n)*", head)
    if not comment or comment.group(0).count("\n") < 2:
        yield 2, "head", "say behind the SPDX line what the file owns, who calls it, what must hold"


def check_python_head(name, lines):
    if name.endswith(".py") and not any(line.startswith('"""') for line in lines[:4]):
        yield 2, "python-head", "say in a docstring behind the SPDX line what the file is for"


def check_length(name, lines):
    most = MAX_LINES.get(name.split("/")[0])
    if most and re.search(r"\.[ch]$", name) and len(lines) > most:
        yield most, "file-length", f"{len(lines)} lines: make files of at most {most}, one concern each"


def check_columns(name, lines):
    if not re.search(r"\.([chS]|py|sh|build|in)$|^(check|demo)$", name) or not re.match(TEXT, name):
        return
    for number, line in enumerate(lines, 1):
        if columns(line) > MAX_COLUMNS:
            yield number, "columns", f"{columns(line)} columns: break the line before {MAX_COLUMNS}"


def check_end(name, lines):
    if re.match(RECORDED, name):
        return
    if lines and lines[-1] != "":
        yield len(lines), "final-newline", "end the file with a newline"
    if len(lines) > 2 and lines[-2:] == ["", ""]:
        yield len(lines) - 1, "blank-end", "remove the empty lines at the end of the file"


FILE_RULES = [check_spdx, check_head, check_python_head, check_length, check_columns, check_end]


def check_file(name, text):
    lines = text.split("\n")
    for rule in FILE_RULES:
        yield from rule(name, lines)
    for rule, files, unwanted, _, instead in LINE_RULES:
        if not re.match(files, name):
            continue
        for number, line in enumerate(lines, 1):
            if re.search(unwanted, line):
                yield number, rule, instead
                if rule == "file-name":
                    break


def check_rules():
    for rule, _, unwanted, example, _ in LINE_RULES:
        if not re.search(unwanted, example):
            yield f"rule {rule} does not find its own example"


def main():
    root = sys.argv[1]
    complaints = list(check_rules())
    for name in source_files(root):
        try:
            with open(os.path.join(root, name), encoding="utf-8", newline="") as file:
                text = file.read()
        except UnicodeDecodeError:
            continue
        complaints += [f"{name}:{number}: {rule}: {instead}" for number, rule, instead in check_file(name, text)]
    print("\n".join(complaints) if complaints else "no complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
