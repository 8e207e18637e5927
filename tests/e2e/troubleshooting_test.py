"""The symptoms of troubleshooting.md, made to happen: the page has the words that a client sees and the log says."""
import fcntl
import json
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import unittest
from pathlib import Path

import documents
import settings
from harness import Proxy, ProxyTest, run_program
from name_server import NameServer
from origins import black_hole, echo, refusing_port
from policy_test import ALICE, basic
from settings import PROMPT
from wire import Message, Wire, request, response, wait_until

PAGE = documents.page("troubleshooting.md")
SHORT = ("--header-timeout-ms", "300")


class Symptoms(ProxyTest):
    def setUp(self) -> None:
        pass

    def start(self, *options: str, **more) -> Proxy:
        file = self.folder() / "access.log"
        proxy = self.start_proxy("--access-log", str(file), "--access-log-format", "json", *options, **more)
        proxy.access = file
        return proxy

    def records(self, proxy: Proxy, count: int = 1) -> list[dict]:
        wait_until(lambda: proxy.access.read_text().count("\n") >= count, f"{count} records", PROMPT)
        return [json.loads(line) for line in proxy.access.read_text().splitlines()]

    def assert_shown(self, text: str) -> None:
        """The page has these words in one pair of backquotes, maybe with more around them."""
        shown = re.findall(r"`([^`\n]+)`", documents.FENCED.sub("", PAGE))
        self.assertTrue(any(text in each for each in shown), f"not in troubleshooting.md: {text}")

    def assert_page(self, answer: Message, status: int, **names: str) -> None:
        """The proxy's own answer, with place holders instead of what is of this test."""
        self.assert_own_answer(answer, status)
        line = answer.body.decode().rstrip("\n")
        for holder, name in names.items():
            self.assertIn(name, line)
            line = line.replace(name, holder)
        heading = f"{status} {answer.reason}"
        self.assertTrue(line.startswith(heading + ": "), line)
        section = heading + ": " if status in (408, 413, 414, 431) else ""
        self.assert_shown(section + line.removeprefix(heading + ": "))

    def one(self, data: bytes, *options: str, method: str = "GET") -> tuple[Message, Proxy]:
        proxy = self.start(*options)
        return self.ask(data, method, proxy), proxy


class Start(Symptoms):
    def starts_not(self, code: int, shown: str, *options: str) -> None:
        done = run_program(*options)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(shown, done.stderr)
        self.assert_shown(shown)

    def test_why_it_does_not(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = run_program("--port", str(port))
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"cannot listen on 127.0.0.1:{port}: address in use", done.stderr)
            self.assert_shown("cannot listen on 127.0.0.1:18100: address in use")
        done = run_program("--host", "203.0.113.9", "--port", "0", "--sandbox")
        self.assertRegex(done.stderr, r"cannot listen on 203\.0\.113\.9:\d+: address not available")
        self.assert_shown("address not available")
        self.starts_not(2, "--host 0.0.0.0 is reachable by others and would serve everybody", "--host", "0.0.0.0")
        self.starts_not(2, "is reachable by others: add --admin-open if that is wanted", "--admin", "0.0.0.0:0")
        self.starts_not(2, "there is no such file", "--config", str(self.folder() / "none"))
        done = run_program("--port", "0", "--user", "no_such_user")
        self.assertIn("cannot run as no_such_user: not found", done.stderr)
        self.assert_shown("cannot run as NAME: not found")


class OwnAnswers(Symptoms):
    def test_wrong_requests(self):
        site = self.site(lambda asked: response("ok"))
        for data in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                     b"GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
                     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 50,
                     b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\n\r\n"):
            self.assert_page(self.one(data)[0], 400)
        done = self.run_curl("-x", f"https://{self.start().address}", site.url(), through=False)
        self.assertIn(b"wrong version number", done.stderr)
        self.assert_shown("wrong version number")
        with self.client(self.start("--proxy-protocol-from", "127.0.0.1", "--open")) as client:
            client.send(request("GET", site.url()))
            self.assertEqual(client.ended(), "eof")
        self._proxies[-1].wait_for_log("is trusted to send a PROXY header and does not")
        self.assert_shown("is trusted to send a PROXY header and does not")

    def test_403(self):
        site = self.site(lambda asked: response("ok"))
        answer, strict = self.one(request("GET", site.url()), "--sandbox", "--allow", "a.example")
        self.assert_page(answer, 403, **{"HOST:PORT": site.authority, '"NAME" (...)': '"command line" (command line)'})
        answer, _ = self.one(request("GET", site.url()), "--sandbox", "--allow", "127.0.0.1")
        why = "(loopback, RFC 1122 section 3.2.1.3)"
        self.assert_page(answer, 403, **{"ADDRESS is": "127.0.0.1 is", "RANGE": "127.0.0.0/8", "(...)": why})
        answer, _ = self.one(request("CONNECT", "127.0.0.1:22"), "--sandbox", "--allow", "127.0.0.1", method="CONNECT")
        self.assert_page(answer, 403, **{'"NAME" (...)': '"command line" (command line)'})
        loop = self.start()
        self.assert_page(self.get(f"http://{loop.address}/", loop), 403)
        done = self.run_curl("-x", f"socks5h://{strict.address}", "http://b.example/", through=False)
        self.assertIn(b"(97) Can't complete SOCKS5 connection to b.example. (2)", done.stderr)
        self.assert_shown("(97) Can't complete SOCKS5 connection to HOST. (2)")
        self.assert_shown("CONNECT tunnel failed, response 403")

    def test_407(self):
        users = self.folder() / "users"
        users.write_text(ALICE)
        flags = ("--users", str(users))
        url = "http://a.example/"
        answer, _ = self.one(request("GET", url), *flags)
        self.assert_page(answer, 407)
        answer, proxy = self.one(request("GET", url, fields=[basic("alice", "wrong")]), *flags)
        self.assert_page(answer, 407)
        proxy.wait_for_log("is not the user it says it is: alice")
        self.assert_shown("is not the user it says it is: alice")
        answer, _ = self.one(request("GET", url, fields=[("Proxy-Authorization", "Bearer x")]), *flags)
        self.assert_page(answer, 407)
        done = self.run_curl("-x", f"socks5h://alice:wrong@{proxy.address}", url, through=False)
        self.assertIn(b"User was rejected by the SOCKS5 server", done.stderr)
        self.assert_shown("User was rejected by the SOCKS5 server")
        done = self.run_curl("-x", f"socks5h://{proxy.address}", url, through=False)
        self.assertIn(b"(2)", done.stderr)

    def test_limits_of_a_request(self):
        site = self.site(lambda asked: response("ok"))
        self.assert_page(self.one(b"", *SHORT)[0], 408)
        self.assert_page(self.one(b"GET http://a/ HTTP/1.1\r\n", *SHORT)[0], 408)
        stalled = request("POST", site.url(), fields=[("Content-Length", "9")])
        self.assert_page(self.one(stalled, "--response-timeout-ms", "300")[0], 408)
        post = request("POST", site.url(), body=b"12345")
        self.assert_page(self.one(post, "--max-body-bytes", "4", method="POST")[0], 413)
        self.assert_page(self.one(request("GET", site.url("/" + "x" * 40000)))[0], 414)
        self.assert_page(self.one(request("GET", site.url(), fields=[(f"A{i}", "x") for i in range(101)]))[0], 431)
        self.assert_page(self.one(request("GET", site.url(), fields=[("Cookie", "x" * 40000)]))[0], 431)

    def test_508(self):
        site = self.site(lambda asked: response("ok"))
        proxy = self.start()
        self.get(site.url(), proxy)
        via = site.requests[-1].get("Via")
        self.assertTrue(via.startswith("1.1 co_http_proxy-"))
        self.assert_page(self.ask(request("GET", site.url(), fields=[("Via", via)]), proxy=proxy), 508)


class Origins(Symptoms):
    def fail_every_query(self, server: socket.socket) -> None:
        while True:
            query, peer = server.recvfrom(512)
            if not query:
                return
            server.sendto(query[:2] + b"\x81\x82" + query[4:], peer)  # SERVFAIL

    def test_502(self):
        with refusing_port() as port:
            self.assert_page(self.one(request("GET", f"http://127.0.0.1:{port}/"))[0], 502,
                             **{"HOST:PORT": f"127.0.0.1:{port}"})
            done = self.run_curl("-x", f"socks5h://{self.start().address}", f"http://127.0.0.1:{port}/", through=False)
            self.assertIn(b"(5)", done.stderr)
        with NameServer() as names:
            answer, proxy = self.one(request("GET", "http://no.test.example/"), "--dns-servers", names.address)
            self.assert_page(answer, 502, **{"HOST:PORT": "no.test.example:80"})
            done = self.run_curl("-x", f"socks5h://{proxy.address}", "http://no.test.example/", through=False)
            self.assertIn(b"(4)", done.stderr)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            threading.Thread(target=self.fail_every_query, args=(server,), daemon=True).start()
            where = f"127.0.0.1:{server.getsockname()[1]}"
            answer, _ = self.one(request("GET", "http://no.test.example/"), "--dns-servers", where)
            self.assert_page(answer, 502, **{"HOST:PORT": "no.test.example:80"})
            server.sendto(b"", server.getsockname())
        answer, _ = self.one(request("GET", "http://255.255.255.255/"))
        self.assert_page(answer, 502, **{"HOST:PORT": "255.255.255.255:80"})
        for said in (b"", b"SSH-2.0-x\r\n\r\n"):
            origin = self.origin(lambda wire, said=said: (wire.read_request(), wire.send(said)))
            self.assert_page(self.one(request("GET", origin.url()))[0], 502)

    def test_504(self):
        with black_hole() as port:
            answer, proxy = self.one(request("CONNECT", f"127.0.0.1:{port}"), "--connect-timeout-ms", "300",
                                     method="CONNECT")
            self.assert_page(answer, 504, **{"HOST:PORT": f"127.0.0.1:{port}"})
        silent = self.origin(lambda wire: wire.read_request() and wire.read_some())
        answer, _ = self.one(request("GET", silent.url()), "--response-timeout-ms", "300")
        self.assert_page(answer, 504)

    def test_503_without_descriptors(self):
        origin = self.origin(echo)
        proxy = self.start(threads=1)
        with self.tunnel(origin.authority, b"x", proxy) as client:  # what is opened once is open
            client.read_exactly(1)
        wait_until(lambda: proxy.tcp_states()["01"] == 0, "it is over", PROMPT)
        with self.client(proxy) as client:
            wait_until(lambda: proxy.tcp_states()["01"] > 0, "it is there", PROMPT)
            limits = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (len(proxy.descriptors()), limits[1]))
            client.send(request("CONNECT", origin.authority))
            answer = client.read_response("CONNECT")
            if settings.REACTOR == "epoll":  # io_uring's standing accept keeps the limit that was when it began
                with self.client(proxy):
                    self.assert_shown(proxy.wait_for_log(r"accept: too many open files: .*")[0])
            resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, limits)
        self.assert_page(answer, 503, **{"HOST:PORT": origin.authority})
        self.assertEqual(answer.get("Retry-After"), "1")


class NoLocalPort(Symptoms):
    """In a network of its own, which has few ports."""

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "root, for a network of its own")
    def test_502(self):
        if "CO_WQ_OWN_NETWORK" not in os.environ:
            done = subprocess.run(["unshare", "--net", sys.executable, __file__, "NoLocalPort"], capture_output=True,
                                  text=True, env=os.environ | {"CO_WQ_OWN_NETWORK": "1"})
            if "unshare failed" in done.stderr:
                self.skipTest(done.stderr)
            self.assertEqual(done.returncode, 0, done.stderr)
            return
        with socket.socket() as any_socket:  # lo goes up: SIOCSIFFLAGS, IFF_UP and IFF_RUNNING
            fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
        Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40019")
        origin, proxy = self.origin(echo), self.start("--admin", "127.0.0.1:0")
        admin = proxy.wait_for_log(r"admin on \S+:(\d+)")[1]
        answers: list[Message] = []
        while not answers or answers[-1].status == 200:
            client = socket.socket()
            client.bind(("127.0.0.2", 30000 + len(answers)))  # not of the range
            client.connect((proxy.host, proxy.port))
            self._clients.append(Wire(client))
            self._clients[-1].send(request("CONNECT", origin.authority))
            answers.append(self._clients[-1].read_response("CONNECT"))
            self.assertLess(len(answers), 30)
        self.assert_page(answers[-1], 502, **{"HOST:PORT": origin.authority})
        self._clients[0].close()
        page = self.curl(f"http://127.0.0.1:{admin}/metrics", through=False).decode()
        self.assertIn('upstream_connect_failures_total{reason="unreachable"} 1', page)


class Ends(Symptoms):
    def ended(self, proxy: Proxy) -> tuple[str, str, str | None]:
        record = self.records(proxy)[0]
        return record["end_up"], record["end_down"], record["detail"]

    def test_an_answer_that_breaks_off(self):
        begun = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
        for then, options, end in ((lambda wire: None, (), "failed"),
                                   (lambda wire: wire.read_some(), ("--idle-timeout-ms", "300"), "idle")):
            origin = self.origin(lambda wire, then=then: (wire.read_request(), wire.send(begun), then(wire)))
            proxy = self.start(*options)
            with self.client(proxy) as client:
                client.send(request("GET", origin.url()))
                with self.assertRaises(ConnectionResetError):
                    while client.read_some():
                        pass
            up, down, detail = self.ended(proxy)
            self.assertEqual((up, down), ("eof", end))
            self.assert_shown(detail)

    def test_a_tunnel_at_the_end_of_the_proxy(self):
        origin = self.origin(echo)
        proxy = self.start("--drain-timeout-ms", "200")
        with self.tunnel(origin.authority, proxy=proxy) as client:
            proxy.signal(signal.SIGTERM)
            self.assertEqual(client.ended(), "reset")
        self.assertEqual(self.ended(proxy), ("shutdown", "shutdown", None))
        self.assertEqual(proxy.wait(PROMPT), 0)

    def test_an_idle_tunnel(self):
        origin = self.origin(echo)
        proxy = self.start("--idle-timeout-ms", "300")
        with self.tunnel(origin.authority, proxy=proxy) as client:
            self.assertEqual(client.ended(), "eof")
        self.assertEqual(self.ended(proxy), ("idle", "idle", None))

    def test_full(self):
        site = self.site(lambda asked: response("ok"))
        proxy = self.start("--max-connections", "1")
        first = self.client(proxy)
        first.send(request("GET", site.url()))
        first.read_response()
        second = self.client(proxy)
        second.send(request("GET", site.url()))
        said = proxy.wait_for_log(r"connections, the limit: .*")[0]
        self.assert_shown(said)
        first.close()
        self.assertEqual(second.read_response().status, 200)
        second.close()
        tight = self.start(descriptors=64, threads=1)
        most = int(tight.wait_for_log(r"at most (\d+) connections")[1])
        crowd: list[Wire] = [self.client(tight) for _ in range(most + 1)]
        said = tight.wait_for_log(r"as many as the descriptor limit allows")[0]
        self.assert_shown(said)
        for each in crowd:
            each.close()

    def test_reload(self):
        file = self.folder() / "proxy.toml"
        file.write_text("[[listeners]]\nport = 0\n")
        proxy = self.start_proxy("--config", str(file), port=None)
        file.write_text("nonsense")
        proxy.signal(signal.SIGHUP)
        self.assert_shown(proxy.wait_for_log(r"not reloaded")[0])


if __name__ == "__main__":
    unittest.main()
