# SPDX-License-Identifier: LGPL-2.1-or-later
"""An ivshmem server that is not ours: hands QEMU a window with what the case wrote into it."""

import array
import os
import socket
import struct
import threading

# Of include/pvperf/abi.h: magic, version, features and size of line 0.
MAGIC = 0x31667265702d7670
IDENTITY = struct.Struct("<QHHIQII")
FEATURE = 1 << 4


def identity(magic=MAGIC, major=1, minor=0, features=FEATURE, size=None, vcpus=2):
    return IDENTITY.pack(magic, major, minor, features, size, vcpus, 0)


class ForeignServer:
    """Serves every connection a window of this size and start, for as long as the case runs."""

    def __init__(self, path, header, size=1 << 20, vectors=2):
        self.header = header
        self.size = size
        self.vectors = vectors
        self.held = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    @staticmethod
    def send(connection, number, fd=None):
        rights = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        connection.sendmsg([struct.pack("<q", number)], rights)

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            window = os.memfd_create("foreign")
            os.ftruncate(window, self.size)
            os.pwrite(window, self.header, 0)
            doorbell = os.eventfd(0)
            irqs = [os.eventfd(0) for _ in range(self.vectors)]
            self.send(connection, 0)
            self.send(connection, 0)
            self.send(connection, -1, window)
            self.send(connection, 1, doorbell)
            for irq in irqs:
                self.send(connection, 0, irq)
            self.held.append((connection, window, doorbell, irqs))
