#!/usr/bin/env python3
"""The example examples/slow_relay.cpp: example_test.py PROGRAM."""
import socket
import subprocess
import sys
import threading
import time
import unittest

PROGRAM = sys.argv.pop()
SIZE, RATE = 60_000, 100_000


class SlowRelay(unittest.TestCase):
    def test_bytes_arrive_whole_and_no_faster_than_they_may(self):
        with socket.create_server(("127.0.0.1", 0)) as origin:
            def answer() -> None:
                with origin.accept()[0] as made:
                    made.sendall(b"x" * SIZE)

            threading.Thread(target=answer, daemon=True).start()
            program = subprocess.Popen([PROGRAM, str(origin.getsockname()[1]), str(RATE)], stdout=subprocess.PIPE,
                                       text=True)
            try:
                port = int(program.stdout.readline().rpartition(":")[2])
                with socket.create_connection(("127.0.0.1", port), 60) as client:
                    started, got = time.monotonic(), 0
                    client.settimeout(60)
                    while piece := client.recv(1 << 16):
                        got += len(piece)
                self.assertEqual(got, SIZE)
                self.assertGreater(time.monotonic() - started, (SIZE - 16_384) / RATE)
            finally:
                program.kill()
                program.communicate()

    def test_wrong_words(self):
        self.assertEqual(subprocess.run([PROGRAM, "x", "1"], timeout=60, check=False).returncode, 2)


if __name__ == "__main__":
    unittest.main()
