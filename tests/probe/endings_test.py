#!/usr/bin/env python3
"""What goes wrong is seen, counted by kind, and ends the run in order: a tool that cannot fail is worthless."""
import socket
import struct
import threading
import unittest

from world import Case, Origin, Proxy, Run, Scripted, read_head, run


def answering(answer: bytes, close: bool = True, reset: bool = False):
    def talk(client: socket.socket) -> None:
        while read_head(client):
            client.sendall(answer)
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if close:
                return
    return talk


def head(length: int, more: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{more}\r\n".encode()


def pattern(origin: Origin, size: int) -> bytes:
    with socket.create_connection(origin.address("http")) as client:
        client.sendall(f"GET /bytes/{size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")[2]


class BrokenOrigins(Case):
    def expect(self, answer: bytes, *kinds: str, **how) -> None:
        for through in ((), ("--proxy", self.proxy.url, "--connect")):
            with self.subTest(kinds=kinds, through=through), Scripted(answering(answer, **how)) as server:
                self.bad(run(server.url("/bytes/1000"), "--connections", "3", *through), *kinds)

    def test_wrong_bytes(self):
        body = bytearray(pattern(self.origin, 1000))
        self.assertEqual(len(body), 1000)
        with Scripted(answering(head(1000) + body)) as server:  # the test itself is right
            self.good(run(server.url("/bytes/1000"), "--connections", "3"))
        body[777] ^= 1
        self.expect(head(1000) + body, "wrong content")
        with Scripted(answering(head(1000) + body)) as server:
            self.good(run(server.url("/bytes/1000"), "--no-verify", "--connections", "3"))

    def test_wrong_lengths(self):
        body = pattern(self.origin, 1001)
        self.expect(head(999) + body[:999], "wrong length")
        self.expect(head(1001) + body, "wrong length")

    def test_cut_off(self):
        body = pattern(self.origin, 1000)
        self.expect(head(1000) + body[:999], "cut off")
        self.expect(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + body, "cut off")
        self.expect(b"HTTP/1.1 200", "cut off")
        self.expect(b"", "cut off")

    def test_reset(self):
        self.expect(head(1000) + bytes(0), "connection reset", "cut off", reset=True)

    def test_no_http(self):
        self.expect(b"SSH-2.0-x\r\n\r\n", "bad answer")
        self.expect(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "bad answer")

    def test_more_than_the_answer(self):
        self.expect(head(1000) + pattern(self.origin, 1000) + b"HTTP/1.1 200 OK\r\n", "bad answer", close=False)

    def test_other_status(self):
        self.expect(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "wrong status", close=False)

    def test_nothing_comes(self):
        never = threading.Event()
        with Scripted(lambda client: (read_head(client), client.recv(1), never.wait(0))) as server:
            self.bad(run(server.url("/bytes/1"), "--timeout", "0.2", "--connections", "3"), "timed out")

    def test_errors_up_to_a_number_are_fine(self):
        answers = iter(range(10**9))
        body = pattern(self.origin, 10)

        def talk(client: socket.socket) -> None:
            while read_head(client):
                client.sendall(head(10) + (bytes(10) if next(answers) == 5 else body))

        with Scripted(talk) as server:
            done = Run("run", server.url("/bytes/10"), "--max-errors", "1", "--connections", "1", "--warmup", "0",
                       "--duration", "2").wait()
        self.assertEqual(done.code, 0, done.out)
        self.assertEqual(done.figures["errors_by_kind"], {"wrong content": 1})

    def test_kept_connections_may_be_closed_between_requests(self):
        with Scripted(answering(head(10) + pattern(self.origin, 10))) as server:  # closes without saying so
            figures = self.good(run(server.url("/bytes/10"), "--connections", "2"))
            self.assertGreater(figures["connections_reopened"], 0)


class NotReached(Case):
    def test_refused(self):
        with socket.socket() as taken:  # bound, and nobody listens
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            self.bad(run(f"http://127.0.0.1:{port}/"), "connection refused")
            self.bad(run(f"http://127.0.0.1:{port}/", "--rate", "100"), "connection refused")
            self.bad(run(self.origin.url("/bytes/1"), "--proxy", f"http://127.0.0.1:{port}"), "connection refused")
            tunnelled = ("--proxy", self.proxy.url, "--connect")
            self.bad(run(f"http://127.0.0.1:{port}/", *tunnelled), "refused by proxy")
            self.bad(run(f"http://127.0.0.1:{port}/", "--proxy", self.proxy.url), "wrong status")

    def test_no_such_name(self):
        self.bad(run("http://no-such-host.invalid/", "--connections", "2"), "name not found")

    def test_certificates(self):
        done = run(self.secure.url("/bytes/1"), "--connections", "2", "--ca", self.ca)
        self.good(done)
        other = Origin("--tls", "--ca-out", self.ca + ".other")
        try:
            self.bad(run(self.secure.url("/bytes/1"), "--connections", "2", "--ca", self.ca + ".other"), "TLS")
        finally:
            other.stop()
        self.bad(run(self.origin.url("/bytes/1").replace("http", "https"), "--connections", "2", "--insecure"), "TLS",
                 "cut off")
        missing = Run("run", self.secure.url("/"), "--ca", "/nowhere/ca.pem").wait()
        self.assertEqual(missing.code, 1)
        self.assertIn("--ca", missing.err)

    def test_descriptors(self):
        done = run(self.origin.url("/delay/100"), "--connections", "60", descriptors=40)
        figures = self.bad(done, "no descriptor")
        self.assertGreater(figures["answers"], 0)
        self.assertEqual(figures["descriptor_limit"], 40)
        self.assertIn("40 descriptors", done.out)


class Deaths(Case):
    KINDS = ("connection refused", "connection reset", "cut off", "wrong status", "refused by proxy")

    def die(self, victim, url: str, *more: str) -> None:
        one = Run("run", url, "--duration", "2", "--warmup", "0", "--connections", "8", *more)
        threading.Timer(1, victim.kill).start()
        done = one.wait()
        victim.stop()
        figures = self.bad(done, *self.KINDS)
        self.assertGreaterEqual(figures["measured_s"], 2)

    def test_origin_dies(self):
        for more in ((), ("--proxy", self.proxy.url), ("--proxy", self.proxy.url, "--connect"), ("--rate", "200")):
            with self.subTest(more):
                origin = Origin()
                self.die(origin, origin.url("/bytes/10000"), *more)

    def test_proxy_dies(self):
        for more in ((), ("--connect",)):
            with self.subTest(more):
                proxy = Proxy()
                self.die(proxy, self.origin.url("/bytes/10000"), "--proxy", proxy.url, *more)


if __name__ == "__main__":
    unittest.main()
