#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Build the tests for arm64, boot them, pass on what they say (TAP).

    run.py --out DIRECTORY [--cpus 2] [-I DIRECTORY]... SOURCE...

What is fetched stays in DIRECTORY; what is built is built again when a source
is newer. The whole console of a run is in DIRECTORY/console-N.log.
"""
import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = "aarch64-linux-gnu"
BOOT_SECONDS = 170
PROGRAMS = {"clang": "clang", "ld.lld": "lld", "qemu-system-aarch64": "qemu-system-arm", "cpio": "cpio"}
NEEDED = re.compile(r"(ok|not ok) \d|1\.\.\d|Bail out!|#")


def skip(reason):
    print("1..0 # SKIP " + " ".join(reason.split()))
    sys.exit(0)


def fail(reason):
    print("Bail out! " + " ".join(reason.split()))
    sys.exit(1)


def check_programs():
    missing = sorted(package for program, package in PROGRAMS.items() if not shutil.which(program))
    if missing:
        skip("these packages are not installed: " + " ".join(missing))


def fetch(out):
    got = subprocess.run([os.path.join(HERE, "fetch"), out], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if got.returncode == 77:
        skip(got.stdout)
    if got.returncode != 0:
        fail("fetch: " + (got.stdout + got.stderr)[-500:])


def newest(folders):
    return max(os.path.getmtime(os.path.join(folder, name))
               for top in folders for folder, _, names in os.walk(top) for name in names)


def build(out, includes, sources):
    initrd = os.path.join(out, "initrd")
    if os.path.exists(initrd) and os.path.getmtime(initrd) > newest(includes):
        return initrd
    root = os.path.join(out, "root")
    tree = os.path.join(out, "initramfs")
    for folder in ("proc", "sys", "dev"):
        os.makedirs(os.path.join(tree, folder), exist_ok=True)
    glib = [f"-I{root}/usr/include/glib-2.0", f"-I{root}/usr/lib/{TARGET}/glib-2.0/include"]
    command = ["clang", "--target=" + TARGET, "--sysroot=" + root, "-fuse-ld=lld", "-static",
               "-O1", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
               "-Wno-unused-parameter", "-Wno-missing-field-initializers",
               *glib, *("-I" + folder for folder in includes), "-o", os.path.join(tree, "init"), *sources,
               "-lglib-2.0", "-lpcre2-8", "-lpthread"]
    built = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if built.returncode != 0:
        sys.stderr.write(built.stderr)
        fail("the tests cannot be built for arm64")
    names = "\n".join([".", "proc", "sys", "dev", "init"])
    with open(initrd + ".tmp", "wb") as file:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree, input=names.encode(),
                       stdout=file, check=True)
    os.rename(initrd + ".tmp", initrd)
    return initrd


def boot(out, initrd, cpus):
    """The machine, until it is switched off; what it says on its console."""
    command = ["qemu-system-aarch64", "-M", "virt,gic-version=3,its=on,virtualization=on",
               "-cpu", "max,pauth=off,sve=off", "-smp", str(cpus), "-m", "512", "-icount", "shift=1,sleep=on",
               "-display", "none", "-nodefaults", "-no-reboot", "-serial", "stdio",
               "-kernel", os.path.join(out, "vmlinuz"), "-initrd", initrd, "-append",
               "console=ttyAMA0 quiet loglevel=4 panic=-1 kvm-arm.mode=nvhe -- " + ("two" if cpus > 1 else "one")]
    with open(os.path.join(out, f"console-{cpus}.log"), "w+b") as log:
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False,
                           timeout=BOOT_SECONDS)
            ended = True
        except subprocess.TimeoutExpired:
            ended = False
        log.seek(0)
        lines = log.read().decode(errors="replace").splitlines()
    for line in lines:
        print(line if NEEDED.match(line) else "# " + line)
    if any(line.startswith("Bail out!") for line in lines):
        sys.exit(1)
    if not ended:
        fail(f"not at an end after {BOOT_SECONDS} s")
    if not any(line.startswith("1..") for line in lines):
        fail("the tests did not start")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("-I", action="append", dest="includes", default=[])
    parser.add_argument("sources", nargs="+")
    args = parser.parse_args()
    check_programs()
    out = os.path.abspath(args.out)
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fetch(out)
        initrd = build(out, args.includes, args.sources)
    boot(out, initrd, args.cpus)


main()
