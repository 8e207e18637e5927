#!/usr/bin/env python3
"""Rude clients: the proxy's other clients must not suffer, and if they did, the report would say so."""
import contextlib
import socket
import threading
import unittest

from world import Case, Run, Scripted, run

PHASES = ("connect", "half-tunnel", "tunnel", "half-head", "upload", "request", "first-byte")


class Innocents(Case):
    def unharmed(self, done: Run) -> dict:
        figures = self.good(done)
        fault = figures["fault"]
        self.assertFalse(fault["innocents_harmed"])
        self.assertGreater(fault["deeds"], 0)
        self.assertEqual(fault["not_possible"], 0, done.out)
        self.assertGreater(fault["latency_meanwhile"]["count"], 0)
        self.assertIn("innocents unharmed", done.out)
        return fault

    def rude(self, url: str, mode: str, *more: str) -> Run:
        return run(url, "--fault", mode, "--fault-share", "0.4", "--connections", "10", *more, seconds=1)

    def each_way(self, mode: str):
        """What the rude clients got, through the proxy: forwarded, in a tunnel, in a tunnel with TLS."""
        through = ("--proxy", self.proxy.url)
        for name, url, more in (("forwarded", self.origin.url("/bytes/50000"), through),
                                ("tunnel", self.origin.url("/bytes/50000"), (*through, "--connect")),
                                ("https", self.secure.url("/bytes/50000"), (*through, "--ca", self.ca)),
                                ("direct", self.origin.url("/chunked/50000"), ())):
            with self.subTest(mode=mode, way=name):
                yield name, self.unharmed(self.rude(url, mode, *more))

    def test_resets(self):
        for _, fault in self.each_way("rst"):
            self.assertEqual(fault["answered"], 0)

    def test_half_close(self):
        for _, fault in self.each_way("half-close"):
            self.assertGreater(fault["answered"], 0)
            self.assertEqual(fault["ended_by_peer"], 0)

    def test_slow(self):
        for _ in self.each_way("slow"):
            pass

    def test_early_data(self):
        for name, fault in self.each_way("early-data"):
            if name != "https":
                self.assertGreater(fault["answered"], 0)

    def test_every_phase(self):
        for phase in PHASES:
            with self.subTest(phase):
                self.unharmed(self.rude(self.origin.url("/bytes/50000"), f"abort-at:{phase}", "--proxy",
                                        self.proxy.url, "--connect"))

    def test_phases_without_a_tunnel(self):
        for phase in set(PHASES) - {"half-tunnel", "tunnel"}:
            with self.subTest(phase):
                self.unharmed(self.rude(self.origin.url("/bytes/50000"), f"abort-at:{phase}", "--proxy",
                                        self.proxy.url))


class Harm(Case):
    def test_a_server_that_lets_all_pay_for_one(self):
        host, port = self.origin.address("http")

        def talk(client: socket.socket) -> None:
            with socket.create_connection((host, port)) as origin:
                def back() -> None:
                    with contextlib.suppress(OSError):
                        while piece := origin.recv(65536):
                            client.sendall(piece)
                        client.shutdown(socket.SHUT_WR)

                thread = threading.Thread(target=back, daemon=True)
                thread.start()
                try:
                    while piece := client.recv(65536):
                        origin.sendall(piece)
                except ConnectionResetError:
                    relay.end_all()
                origin.shutdown(socket.SHUT_RDWR)
                thread.join()

        with Scripted(talk) as relay:
            done = run(relay.url("/bytes/200000"), "--fault", "rst", "--fault-share", "0.4", "--connections", "10",
                       seconds=1.5)
            figures = self.bad(done, "cut off", "connection reset")
            self.assertTrue(figures["fault"]["innocents_harmed"])
            self.assertIn("innocents were HARMED", done.out)
            self.assertIn("HARMED", done.page)

    def test_nobody_there_to_be_rude_to(self):
        with Scripted(lambda client: None) as server:
            port = server.port
        done = run(f"http://127.0.0.1:{port}/bytes/1", "--fault", "rst")
        self.assertEqual(done.code, 1)
        self.assertIn("HARMED", done.out)


if __name__ == "__main__":
    unittest.main()
