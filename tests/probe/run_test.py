#!/usr/bin/env python3
"""co_probe measures: every protocol, closed and open loops, comparisons, its own origin."""
import contextlib
import os
import signal
import socket
import subprocess
import threading
import unittest

from world import PROBE, TIMEOUT, Case, Run, Scripted, read_head, relay, run


class Ways(Case):
    def test_direct(self):
        figures = self.good(run(self.origin.url("/bytes/1024"), "--connections", "4"))
        self.assertEqual(figures["connections_opened"], 4)
        self.assertEqual(figures["body_bytes"], 1024 * figures["answers"])
        self.assertEqual(figures["latency"]["count"], figures["answers"])

    def test_two_loops(self):
        self.good(run(self.origin.url("/bytes/1024"), "--connections", "5", "--threads", "2"))

    def test_forwarded(self):
        figures = self.good(run(self.origin.url("/bytes/1024"), "--proxy", self.proxy.url))
        self.assertEqual(figures["options"]["way"], "http proxy, forwarded")

    def test_connect(self):
        figures = self.good(run(self.origin.url("/chunked/100000"), "--proxy", self.proxy.url, "--connect"))
        self.assertEqual(figures["options"]["way"], "http proxy, CONNECT")

    def test_https(self):
        self.good(run(self.secure.url("/bytes/100000"), "--ca", self.ca, "--connections", "4"))

    def test_https_in_a_tunnel(self):
        self.good(run(self.secure.url("/bytes/1024"), "--ca", self.ca, "--proxy", self.proxy.url, "--connections", "4"))

    def test_every_request_a_connection(self):
        figures = self.good(run(self.origin.url("/bytes/10"), "--proxy", self.proxy.url, "--new-connections"))
        self.assertGreaterEqual(figures["connections_opened"], figures["answers"])
        self.assertGreater(figures["setup"]["count"], 0)

    def test_bodies_go_up_and_come_back(self):
        for size in ("1", "5000", "1000000"):
            for way in ((), ("--proxy", self.proxy.url), ("--proxy", self.proxy.url, "--connect")):
                with self.subTest(size=size, way=way):
                    figures = self.good(run(self.origin.url("/echo"), "--body", size, "--connections", "3", *way))
                    self.assertEqual(figures["body_bytes"], int(size) * figures["answers"])

    def test_bodies_over_tls(self):
        self.good(run(self.secure.url("/echo"), "--body", "300000", "--insecure", "--connections", "2"))

    def test_delays_are_seen(self):
        figures = self.good(run(self.origin.url("/delay/40"), "--connections", "2"))
        self.assertGreaterEqual(figures["latency"]["min_ns"], 40_000_000)

    def test_names(self):
        url = self.origin.url("/bytes/10").replace("127.0.0.1", "localhost")
        self.good(run(url, "--connections", "2"))


class OpenLoop(Case):
    def test_rate_is_held_and_every_request_is_accounted_for(self):
        done = run(self.origin.url("/bytes/100"), "--rate", "300", "--threads", "2", seconds=1)
        figures = self.good(done)
        counted = figures["answers"] + figures["not_started"]
        self.assertGreaterEqual(counted, 299)
        self.assertLessEqual(counted, 331)  # those of the warm-up that ended behind it are among them

    def test_backlog_is_reported(self):
        # one connection and 50 ms for each answer: 20 of 200 a second can be held
        done = run(self.origin.url("/delay/50"), "--rate", "200", "--connections", "1", seconds=1)
        figures = self.good(done)
        self.assertGreater(figures["not_started"], 100)
        self.assertGreaterEqual(figures["backlog_max"], figures["not_started"])
        self.assertGreater(figures["oldest_not_started_ns"], 300_000_000)
        self.assertGreater(figures["latency"]["max_ns"], figures["service"]["min_ns"] + 300_000_000)
        self.assertLessEqual(figures["answers"], 22)
        self.assertIn("the rate was not held", done.out)


class Compare(Case):
    def test_rounds_take_turns(self):
        done = Run("compare", self.origin.url("/bytes/1024"), "--proxy", self.proxy.url, "--rounds", "3", "--duration",
                   "0.3", "--warmup", "0.1", "--connections", "4").wait()
        self.assertEqual(done.code, 0, done.out)
        self.assertEqual([one["options"]["way"] for one in done.report["direct"]], ["direct"] * 3)
        self.assertEqual([one["options"]["way"] for one in done.report["proxy"]], ["http proxy, forwarded"] * 3)
        self.assertGreater(done.report["ratio"]["rate"], 0)
        self.assertIn("answers /s", done.out)
        self.assertIn("</html>", done.page)


class Socks:
    """RFC 1928 and 1929, of which CONNECT; asked has who asked for what."""

    def __init__(self, user: bytes = b"", password: bytes = b"", reply: int = 0):
        self.user, self.password, self.reply = user, password, reply
        self.asked: set[tuple[int, bytes]] = set()

    def __call__(self, client: socket.socket) -> None:
        def take(count: int) -> bytes:
            got = client.recv(count, socket.MSG_WAITALL)
            if len(got) != count:
                raise OSError("ended")
            return got

        version, count = take(2)
        methods = take(count)
        wanted = 2 if self.user else 0
        if version != 5 or wanted not in methods:
            client.sendall(b"\x05\xff")
            return
        client.sendall(bytes((5, wanted)))
        if self.user:
            given = [take(take(2 if first else 1)[-1]) for first in (True, False)]
            good = given == [self.user, self.password]
            client.sendall(bytes((1, 0 if good else 1)))
            if not good:
                return
        _, command, _, kind = take(4)
        assert command == 1
        name = take({1: 4, 4: 16}.get(kind) or take(1)[0])
        port = int.from_bytes(take(2), "big")
        self.asked.add((kind, name))
        if self.reply:
            client.sendall(bytes((5, self.reply, 0, 1)) + bytes(6))
            return
        host = name.decode() if kind == 3 else socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, name)
        with socket.create_connection((host, port)) as origin:
            # a name as the bound address: answers need not be of the same kind
            client.sendall(b"\x05\x00\x00\x03\x05bound\x00\x50")
            relay(client, origin)


class SocksWays(Case):
    def run_through(self, server: Scripted, url: str, scheme: str = "socks5", who: str = "", *more: str) -> Run:
        return run(url, "--proxy", f"{scheme}://{who}127.0.0.1:{server.port}", "--connections", "4", *more)

    def test_http_and_https(self):
        with Scripted(Socks()) as server:
            self.good(self.run_through(server, self.origin.url("/bytes/5000")))
            self.good(self.run_through(server, self.secure.url("/bytes/5000"), "socks5", "", "--ca", self.ca))

    def test_who_looks_the_name_up(self):
        url = self.origin.url("/bytes/5").replace("127.0.0.1", "localhost")
        for scheme, asked in (("socks5", (1, b"\x7f\x00\x00\x01")), ("socks5h", (3, b"localhost"))):
            socks = Socks()
            with Scripted(socks) as server:
                self.good(self.run_through(server, url, scheme))
            self.assertEqual(socks.asked, {asked})

    def test_user_and_password(self):
        with Scripted(Socks(b"me", b"secret")) as server:
            done = self.run_through(server, self.origin.url("/bytes/5"), "socks5", "me:secret@")
            self.good(done)
            self.assertNotIn("secret", done.out + done.page + str(done.report))
            self.bad(self.run_through(server, self.origin.url("/bytes/5"), "socks5", "me:wrong@"), "refused by proxy")
            self.bad(self.run_through(server, self.origin.url("/bytes/5")), "refused by proxy")

    def test_refusals(self):
        with Scripted(Socks(reply=2)) as server:
            figures = self.bad(self.run_through(server, self.origin.url("/bytes/5")), "refused by proxy")
            self.assertIn("not allowed", figures["examples"]["refused by proxy"])

    def test_what_is_no_socks(self):
        with Scripted(lambda client: (client.recv(100), client.sendall(b"HTTP/1.1 400 Bad\r\n\r\n"))) as server:
            self.bad(self.run_through(server, self.origin.url("/bytes/5")), "bad answer")


class OriginItself(Case):
    def connect(self, name: str, through: bool) -> socket.socket:
        host, port = self.origin.address(name)
        if not through:
            return socket.create_connection((host, port), timeout=30)
        made = socket.create_connection(("127.0.0.1", self.proxy.port), timeout=30)
        made.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += made.recv(1)
        self.assertIn(b" 200 ", head)
        return made

    def test_raw_ports(self):
        for through in (False, True):
            with self.subTest(through=through):
                with self.connect("echo", through) as client:
                    client.sendall(b"abc")
                    self.assertEqual(client.makefile("rb").read(3), b"abc")
                    client.shutdown(socket.SHUT_WR)
                    self.assertEqual(client.recv(1), b"")
                with self.connect("sink", through) as client:
                    client.sendall(bytes(100_000))
                    client.shutdown(socket.SHUT_WR)
                    self.assertEqual(client.makefile("rb").read(), b"100000\n")
                with self.connect("source", through) as client:
                    self.assertEqual(len(client.makefile("rb").read(1_000_000)), 1_000_000)

    def test_other_paths_and_methods(self):
        for request, status in ((b"GET /nothing", b"404"), (b"DELETE /bytes/1", b"405"), (b"GET /bytes/x", b"404"),
                                (b"HEAD /bytes/5", b"200"), (b"BAD", b"400")):
            with socket.create_connection(self.origin.address("http"), timeout=30) as client:
                client.sendall(request + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: client.recv(4096), b""))
                self.assertEqual(answer.split(b" ")[1], status, request)
                if status == b"200":
                    self.assertTrue(answer.endswith(b"\r\n\r\n"))


class CommandLine(unittest.TestCase):
    def test_usage(self):
        for words in ((), ("run",), ("run", "ftp://a/"), ("walk",), ("run", "http://a/", "--rate", "-1"),
                      ("run", "http://a/", "--proxy", "a:1"), ("run", "http://a/", "--connect"),
                      ("compare", "http://a/"), ("run", "http://a/", "--fault", "loud"),
                      ("run", "http://a/", "--fault", "abort-at"), ("run", "http://a/", "--fault", "abort-at:tunnel"),
                      ("run", "http://a/", "--fault", "rst", "--connections", "1"), ("origin", "--host", "name"),
                      ("origin", "--ca-out", "x"), ("run", "http://a/", "--json", "/nowhere/x.json"),
                      ("run", "http://a/", "--reactor", "sim"), ("run", "http://a/", "--duration", "0")):
            done = subprocess.run([PROBE, *words], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, words)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_help_and_version(self):
        for words, text in ((("--help",), "compare"), (("run", "--help"), "--fault-share"),
                            (("--version",), "co_probe")):
            done = subprocess.run([PROBE, *words], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0)
            self.assertIn(text, done.stdout)


class Counting:
    """Answers at once, or never; seen is set when so many requests came."""

    def __init__(self, wanted: int, answer: bytes):
        self.left, self.answer = wanted, answer
        self.seen = threading.Event()
        self.lock = threading.Lock()

    def __call__(self, client: socket.socket) -> None:
        while read_head(client):
            client.sendall(self.answer)
            with self.lock:
                self.left -= 1
                if self.left <= 0:
                    self.seen.set()


class Progress(Case):
    def test_a_line_on_a_terminal_only(self):
        url = self.origin.url("/delay/20")
        ours, theirs = os.openpty()
        with open(ours, "rb", buffering=0) as screen:
            one = subprocess.Popen([PROBE, "run", url, "--duration", "2", "--warmup", "0", "--rate", "50"],
                                   stdout=subprocess.PIPE, stderr=theirs, text=True)
            os.close(theirs)
            table, _ = one.communicate(timeout=TIMEOUT)
            shown = b""
            with contextlib.suppress(OSError):  # EIO: the other end is closed
                while piece := screen.read(4096):
                    shown += piece
        self.assertEqual(one.returncode, 0)
        self.assertRegex(shown.decode(), r"direct 1 s  \d+ /s  0 errors  p50 [\d.]+ ms  p99 [\d.]+ ms  backlog 0")
        self.assertTrue(shown.endswith(b"\r\x1b[K"))
        self.assertNotIn("\x1b", table)
        self.assertEqual(run(url).err, "")


class Interrupts(Case):
    def interrupted(self, number: int, wanted: int, answer: bytes) -> Run:
        talk = Counting(wanted, answer)
        with Scripted(talk) as server:
            one = Run("run", server.url("/bytes/0"), "--duration", "1000", "--warmup", "0", "--threads", "2",
                      "--timeout", "500")
            self.assertTrue(talk.seen.wait(TIMEOUT))
            one.process.send_signal(number)
            done = one.wait()
        self.assertTrue(done.figures["interrupted"])
        self.assertLess(done.figures["measured_s"], TIMEOUT + 10)
        self.assertIn("interrupted", done.out)
        self.assertEqual(done.code, 0, done.out + done.err)
        self.assertEqual(done.figures["errors"], 0)
        return done

    def test_ends_early_with_a_report(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            done = self.interrupted(number, 200, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            self.assertGreater(done.figures["answers"], 100)

    def test_requests_that_hang_do_not_hold_it(self):
        self.assertEqual(self.interrupted(signal.SIGINT, 16, b"").figures["answers"], 0)


if __name__ == "__main__":
    unittest.main()
