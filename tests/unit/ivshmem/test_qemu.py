# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_qemu.py PROGRAM: pvperf-ivshmem against the real ivshmem-doorbell.

No guest runs: QEMU makes the device, is asked over QMP, and quits.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import unittest

from harness import WAIT, Keeper, window_size

PROGRAM = None
QEMU = shutil.which("qemu-system-x86_64")


class Qemu:
    def __init__(self, keeper, vectors, as_json=True, before=None):
        device = (json.dumps({"driver": "ivshmem-doorbell", "id": "ua-pvperf", "chardev": "c",
                              "vectors": vectors, "master": "on"})
                  if as_json else
                  f"ivshmem-doorbell,id=ua-pvperf,chardev=c,vectors={vectors},master=on")
        self.path = os.path.join(keeper.dir, "qmp")
        if os.path.exists(self.path):
            os.unlink(self.path)
        # The shell tells its pid, which QEMU will have, and waits to go on.
        self.proc = subprocess.Popen(
            ["sh", "-c", 'echo $$; read go; exec "$@"', "sh", QEMU, "-S", "-display", "none",
             "-nodefaults", "-m", "32", "-accel", "tcg",
             "-chardev", f"socket,id=c,path={keeper.socket}", "-device", device,
             "-qmp", f"unix:{self.path},server=on,wait=off"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        pid = int(self.proc.stdout.readline())
        if before:
            before(pid)
        self.proc.stdin.write("go\n")
        self.proc.stdin.flush()
        self.connect()

    def connect(self):
        deadline = time.monotonic() + WAIT
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT)
        while self.sock.connect_ex(self.path) != 0:
            if self.proc.poll() is not None or time.monotonic() > deadline:
                self.proc.kill()
                raise AssertionError("QEMU did not start: " + self.proc.communicate()[1])
            time.sleep(0.02)
        self.file = self.sock.makefile("rw")
        self.file.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise AssertionError(answer["error"]["desc"])

    def bar2(self):
        """Size of the memory that QEMU mapped."""
        text = self.ask("human-monitor-command", **{"command-line": "info ramblock"})
        line = next(line for line in text.splitlines() if "ivshmem.bar2" in line)
        # Name, page size and its unit, offset, used, total; newer QEMUs say more behind it.
        return int(line.split()[5], 16)

    def close(self):
        """What QEMU complained of."""
        self.ask("quit")
        _, complaints = self.proc.communicate(timeout=WAIT)
        self.file.close()
        self.sock.close()
        if self.proc.returncode != 0:
            raise AssertionError(f"QEMU ended with {self.proc.returncode}: {complaints}")
        return complaints


class RealQemu(unittest.TestCase):
    def setUp(self):
        self.keeper = Keeper(PROGRAM)
        self.addCleanup(self.keeper.close)

    def test_unknown(self):
        for vectors, as_json in ((1, True), (2, False), (255, True)):
            with self.subTest(vectors=vectors):
                qemu = Qemu(self.keeper, vectors, as_json)
                self.assertEqual(qemu.bar2(), window_size(vectors))
                self.assertEqual(qemu.close(), "")
        self.assertEqual(self.keeper.read_log().count("dead window"), 3)

    def test_known(self):
        for number, vectors in enumerate((1, 2, 64, 255, 1024), 1):
            with self.subTest(vectors=vectors), self.keeper.daemon() as daemon:
                daemon.until(daemon.SYNCED)
                qemu = Qemu(self.keeper, vectors,
                            before=lambda pid: self.keeper.status_xml("vm", pid, vectors))
                peer = daemon.until(daemon.PEER)[0]
                self.assertEqual((peer["connection"], peer["pid"], peer["vectors"]),
                                 (number, qemu.proc.pid, vectors))
                self.assertEqual(qemu.bar2(), window_size(vectors))
                self.assertEqual(qemu.close(), "")
                self.assertEqual(daemon.until(daemon.GONE)[-1]["connection"], number)

    def test_qemu_outlives_the_keeper(self):
        qemu = Qemu(self.keeper, 2)
        self.keeper.proc.kill()
        self.keeper.proc.wait(WAIT)
        self.assertEqual(qemu.ask("query-status")["status"], "prelaunch")
        qemu.ask("cont")
        qemu.ask("system_reset")
        self.assertEqual(qemu.ask("query-status")["status"], "running")
        self.assertEqual(qemu.close(), "")
        self.keeper.start()


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    if not QEMU:
        print("SKIP: there is no qemu-system-x86_64")
        sys.exit(77)
    devices = subprocess.run([QEMU, "-device", "help"], capture_output=True, text=True).stdout
    if "ivshmem-doorbell" not in devices:
        print("SKIP: this QEMU is built without ivshmem-doorbell")
        sys.exit(77)
    unittest.main(verbosity=1)
