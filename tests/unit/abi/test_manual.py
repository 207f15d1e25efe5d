# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_manual.py RECORD MANUAL: docs/abi.rst names everything of the ABI's record.

Each member of a structure, each call, flag, class, event, reason and size.
"""
import re
import sys

# Said by other means: padding in one sentence; offsets as a table of numbers.
SKIP = re.compile(r"PVPERF_(F_|VERSION|WORKERS|AREA|SLOT|CONTROL|OPEN_A3|ATTR_FLAGS|HOST_)|.*\(|pvperf_(header|param)$")


def names(record):
    for line in record:
        words = line.split()
        if line.startswith("#"):
            continue
        if len(words) == 3 and words[2].startswith('"'):
            yield words[2].strip('"')
        elif words[0] == "struct":
            yield words[1]
        elif "." in words[0]:
            yield words[0].split(".")[1]
        elif words[0].startswith("KVM_PERF_OP_"):
            yield words[0][len("KVM_PERF_OP_"):]
        else:
            yield words[0]


def main():
    with open(sys.argv[1]) as record, open(sys.argv[2]) as manual:
        text = manual.read()
        missing = [name for name in dict.fromkeys(names(record))
                   if not SKIP.match(name) and name != "none"
                   and not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]
    for name in missing:
        print(f"docs/abi.rst does not name {name}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
