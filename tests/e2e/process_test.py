"""The program itself: options, log, signals, ports, descriptors, quiet when idle."""
import signal
import socket
import threading
import time
import unittest

import settings
from harness import Proxy, ProxyTest, run_program
from origins import black_hole, echo, hold
from settings import PROMPT, SCALE, TIMEOUT
from wire import Wire, request, response, wait_quietly, wait_until


class Options(unittest.TestCase):
    def assert_usage(self, *arguments: str, named: str) -> None:
        with self.subTest(arguments):
            port = () if named == "--port" else ("--port", "0")
            done = run_program(*port, *arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(named, done.stderr)

    def test_unknown_or_malformed_is_one_clear_line_and_exit_code_2(self):
        self.assert_usage("--nonsense", named="--nonsense")
        self.assert_usage("word", named="word")
        for value in ("abc", "-1", "65536", "99999999999999999999", "80x", ""):
            self.assert_usage(f"--port={value}", named="--port")
        self.assert_usage("--port", named="--port")
        self.assert_usage("--reactor", "kqueue", named="--reactor")
        self.assert_usage("--log-level", "loud", named="--log-level")
        self.assert_usage("--host", "no address", named="--host")
        for value in ("7", "7:", ":0.5", "7:0", "7:2", "7:nan", "-1:0.5", "a:b"):
            self.assert_usage(f"--chaos={value}", named="--chaos")
        self.assert_usage("--access-log-format", "xml", named="--access-log-format")
        for value in ("0", "-1", "1.1", "nan", "x"):
            self.assert_usage(f"--access-log-sample={value}", named="--access-log-sample")
        for value in ("localhost:1", "127.0.0.1", "127.0.0.1:", ":1", "127.0.0.1:65536", "127.0.0.1:1x", "::1:1",
                      "[127.0.0.1]:1", "0.0.0.0:0", "[::]:0"):
            self.assert_usage(f"--admin={value}", named="--admin")
        for option in ("--max-connections-per-client", "--max-connections-per-user", "--requests-per-second-per-client",
                       "--requests-per-second-per-user", "--max-header-bytes", "--max-header-fields",
                       "--max-uri-bytes", "--request-timeout-ms", "--tunnel-timeout-ms", "--max-pool",
                       "--max-pool-per-host", "--pool-idle-timeout-ms", "--max-dns-queries", "--max-dns-entries",
                       "--max-memory", "--bytes-per-second-per-connection", "--bytes-per-second-per-client",
                       "--bytes-per-second-per-user", "--threads",
                       "--max-connections", "--header-timeout-ms", "--connect-timeout-ms",
                       "--idle-timeout-ms", "--max-body-bytes", "--keep-alive-timeout-ms", "--response-timeout-ms",
                       "--drain-timeout-ms"):
            self.assert_usage(option, "many", named=option)
            self.assert_usage(option, "-1", named=option)

    def test_other_addresses_than_loopback_need_open(self):
        for host in ("0.0.0.0", "::"):
            with self.subTest(host):
                done = run_program("--host", host, "--port", "0")
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                self.assertIn("--open", done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_help_names_every_option(self):
        done = run_program("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for option in ("--host", "--port", "--threads", "--reactor", "--log-level", "--log-file", "--log-append",
                       "--quiet", "--verbose", "--trace-packets", "--help", "--version", "--open", "--max-connections",
                       "--header-timeout-ms", "--connect-timeout-ms", "--idle-timeout-ms", "--max-body-bytes",
                       "--keep-alive-timeout-ms", "--response-timeout-ms", "--drain-timeout-ms",
                       "--drain-idle-timeout-ms", "--user", "--chaos", "--config", "--check-config", "--sandbox",
                       "--allow", "--deny", "--allow-address", "--allow-client", "--connect-ports", "--users",
                       "--report", "--dns-servers", "--parent", "explain",
                       "--access-log", "--access-log-format", "--access-log-sample", "--access-log-query",
                       "--admin", "--admin-open", "--tls-port", "--tls-certificate", "--tls-key", "--tls-client-ca",
                       "--tls-client-optional",
                       "--max-connections-per-client", "--max-connections-per-user",
                       "--requests-per-second-per-client", "--requests-per-second-per-user", "--max-header-bytes",
                       "--max-header-fields", "--max-uri-bytes", "--request-timeout-ms", "--tunnel-timeout-ms",
                       "--max-pool", "--max-pool-per-host", "--pool-idle-timeout-ms", "--max-dns-queries",
                       "--max-dns-entries", "--max-memory",
                       "--bytes-per-second-per-connection", "--bytes-per-second-per-client",
                       "--bytes-per-second-per-user"):
            self.assertIn(option, done.stdout)

    def test_version(self):
        done = run_program("--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^co_http_proxy \d+\.\d+\.\d+\b[^\n]*\n$")


class Listening(ProxyTest):
    def setUp(self) -> None:
        pass

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = run_program("--port", str(port), "--reactor", settings.REACTOR)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(str(port), done.stderr)
            self.assertRegex(done.stderr, r"(?i)in use")

    def test_two_proxies_do_not_share_a_port(self):
        first = self.start_proxy()
        done = run_program("--port", str(first.port), "--reactor", settings.REACTOR)
        self.assertEqual(done.returncode, 1, done.stderr)

    def test_a_port_is_free_again_at_once(self):
        site = self.site(lambda asked: response("ok"))
        first = self.start_proxy()
        with self.client(first) as client:
            client.send(request("GET", site.url()))
            client.read_response()
            first.signal(signal.SIGTERM)
            self.assertEqual(first.wait(), 0)
        second = self.start_proxy(port=first.port)
        self.assertEqual(self.get(site.url(), second).body, b"ok")

    def test_only_loopback_by_default(self):
        proxy = self.start_proxy()
        self.assertEqual(proxy.host, "127.0.0.1")
        self.assertEqual(proxy.tcp_states()["0A"] >= 1, True)
        with self.assertRaises(ConnectionRefusedError):
            Wire.connect("127.0.0.2", proxy.port)

    def test_other_addresses(self):
        site = self.site(lambda asked: response("ok"))
        for options in (("--host", "127.0.0.2"),
                        ("--host", "0.0.0.0", "--open", "--allow-address", "127.0.0.0/8")):
            with self.subTest(options):
                proxy = self.start_proxy(*options)
                self.assertEqual(self.get(site.url(), proxy).body, b"ok")

    def test_ipv6_loopback(self):
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError:
            self.skipTest("no IPv6 on loopback")
        proxy = self.start_proxy("--host", "::1")
        self.assertEqual(self.get(self.site(lambda asked: response("ok")).url(), proxy).body, b"ok")

    def test_every_number_of_threads_serves(self):
        for threads in (None, 1, 5):
            with self.subTest(threads):
                self.assert_serves(self.start_proxy(threads=threads))

    def test_the_reactor_is_the_one_that_was_asked_for(self):
        names = [name for name in self.start_proxy(threads=1).descriptors() if "anon_inode" in name]
        self.assertEqual(any("io_uring" in name for name in names), settings.REACTOR == "uring", names)

    def test_auto_takes_the_ring(self):
        proxy = self.start_proxy(reactor="auto")
        self.assertRegex(proxy.wait_for_log("listening on .*")[0], "uring: ")
        self.assert_serves(proxy)

    @unittest.skipIf(settings.SANITIZER == "address", "LeakSanitizer cannot work while another process traces")
    def test_without_a_ring_auto_says_why(self):
        forbid = ("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=io_uring_setup",
                  "-e", "inject=io_uring_setup:error=EPERM")
        proxy = self.start_proxy(reactor="auto", under=forbid)
        self.assertRegex(proxy.wait_for_log("listening on .*")[0], "epoll: io_uring is forbidden here")
        self.assert_serves(proxy)


class Log(ProxyTest):
    def setUp(self) -> None:
        self.tidy = self.site(lambda asked: response("ok"))

    def use(self, proxy: Proxy) -> None:
        self.assert_serves(proxy)
        self.get(self.tidy.url(), proxy)
        with self.tunnel(self.tidy.authority, proxy=proxy) as client:
            client.reset()
        with self.client(proxy) as client:
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            client.drained()

    def end(self, proxy: Proxy) -> str:
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(), 0)
        return proxy.log_text()

    def test_no_trace_and_no_debug_lines_by_default(self):
        proxy = self.start_proxy()
        self.use(proxy)
        text = self.end(proxy)
        self.assertIn("listening on", text)
        self.assertNotRegex(text, r"(?i)\b(trace|debug|callback_wq)\b")

    def test_verbose_says_more_and_trace_packets_most(self):
        lines = []
        for options in ((), ("--verbose",), ("--trace-packets",)):
            proxy = self.start_proxy(*options)
            self.use(proxy)
            self.end(proxy)
            lines.append(len(proxy.log))
        self.assertLess(lines[0], lines[1])
        self.assertLess(lines[0], lines[2])

    def test_log_file_is_begun_anew_or_continued(self):
        path = self.folder() / "proxy.log"
        path.write_text("before\n")
        for options, kept in (((), False), (("--log-append",), True)):
            proxy = self.start_proxy(*options, log_file=path)
            self.assert_serves(proxy)
            self.end(proxy)
            text = path.read_text()
            self.assertIn(f"listening on 127.0.0.1:{proxy.port}", text)
            self.assertEqual("before" in text, kept)
            path.write_text("before\n")

    def test_a_log_file_that_cannot_be_opened(self):
        done = run_program("--port", "0", "--log-file", str(self.folder()))
        self.assertIn(done.returncode, (1, 2))
        self.assertIn("--log-file", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_quiet(self):
        for options in (("--quiet",), ("--log-level", "off")):
            with self.subTest(options):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", 0))
                    port = probe.getsockname()[1]
                proxy = self.start_proxy(*options, port=port, wait=False)

                def listens() -> bool:
                    with socket.socket() as attempt:
                        return attempt.connect_ex(("127.0.0.1", port)) == 0

                wait_until(listens, "it listens")
                self.assertEqual(self.get(self.tidy.url(), proxy).body, b"ok")
                self.assertEqual(self.end(proxy), "")


class Signals(ProxyTest):
    def setUp(self) -> None:
        pass

    def test_idle_it_ends_at_once(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                proxy = self.start_proxy()
                proxy.signal(number)
                self.assertEqual(proxy.wait(PROMPT), 0)

    def test_at_its_very_start_it_ends_at_once(self):
        """While some of the loops may not even run yet."""
        for attempt in range(40 // SCALE):
            with self.subTest(attempt=attempt):
                proxy = self.start_proxy(threads=1 + attempt % 4)
                proxy.signal(signal.SIGTERM)
                self.assertEqual(proxy.wait(PROMPT), 0)

    def test_live_tunnels_end_when_the_time_to_drain_is_over(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                proxy = self.start_proxy("--drain-timeout-ms", "700")
                origin = self.origin(echo)
                tunnels = [self.tunnel(origin.authority, proxy=proxy) for _ in range(50)]
                started = time.monotonic()
                proxy.signal(number)
                wait_quietly(0.2)
                tunnels[0].send(b"still here")
                self.assertEqual(tunnels[0].read_exactly(10), b"still here")
                self.assertEqual(proxy.wait(PROMPT), 0)
                self.assertGreater(time.monotonic() - started, 0.6)
                for client in tunnels:
                    self.assertIn(client.ended(), ("eof", "reset"))
                origin.wait_until_free(50)

    def test_the_last_tunnel_that_ends_ends_the_program(self):
        proxy = self.start_proxy()  # would drain for 10 s
        origin = self.origin(echo)
        tunnels = [self.tunnel(origin.authority, proxy=proxy) for _ in range(3)]
        proxy.signal(signal.SIGTERM)
        for client in tunnels:
            wait_quietly(0.1)
            client.send(b"x")
            self.assertEqual(client.read_exactly(1), b"x")
            client.close()
        started = time.monotonic()
        self.assertEqual(proxy.wait(), 0)
        self.assertLess(time.monotonic() - started, PROMPT)

    def test_a_second_signal_ends_it_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)):
            with self.subTest(first=first, second=second):
                proxy = self.start_proxy("--drain-timeout-ms", "100000")
                origin = self.origin(hold)
                tunnels = [self.tunnel(origin.authority, proxy=proxy) for _ in range(50)]
                proxy.signal(first)
                wait_quietly(0.3)
                self.assertIsNone(proxy.process.poll(), "the first one drains")
                proxy.signal(second)
                self.assertEqual(proxy.wait(PROMPT), 0)
                for client in tunnels:
                    self.assertEqual(client.ended(), "reset", "a tunnel that is cut must not look whole")
                    client.close()

    def test_draining_it_accepts_nobody_but_finishes_what_was_begun(self):
        go_on = threading.Event()
        site = self.site(lambda asked: (go_on.wait(TIMEOUT), response("finished"))[1])
        idle = self.site(lambda asked: response("ok"))
        proxy = self.start_proxy()
        kept = self.client(proxy)
        kept.send(request("GET", idle.url()))
        self.assertEqual(kept.read_response().body, b"ok")
        with self.client(proxy) as client:
            client.send(request("GET", site.url()))
            site.wait_for(1)
            wait_quietly(0.1)
            proxy.signal(signal.SIGTERM)
            self.assertEqual(kept.ended(), "eof")

            def refused() -> bool:
                try:
                    with Wire.connect(proxy.host, proxy.port) as late:
                        return late.drained(1) in ("eof", "reset") and not late.buffer
                except ConnectionRefusedError:
                    return True

            wait_until(refused, "nobody is accepted any more", PROMPT)
            go_on.set()
            self.assertEqual(client.read_response().body, b"finished")
            self.assertEqual(client.ended(), "eof")
        self.assertEqual(proxy.wait(PROMPT), 0)

    def test_with_every_kind_of_unfinished_business(self):
        """Half a request, an upload, a download nobody reads, a name that is looked up, a connection being made."""
        proxy = self.start_proxy("--drain-timeout-ms", "300")

        def flood(wire: Wire) -> None:
            while True:
                wire.send(bytes(1 << 16))

        origin, pouring = self.origin(hold), self.origin(flood)
        texts = [b"", b"GET http://127", request("POST", origin.url(), fields=[("Content-Length", "99")]) + b"x",
                 request("GET", origin.url()), request("CONNECT", "no-such-host.invalid:80"),
                 request("CONNECT", pouring.authority),
                 request("CONNECT", f"127.0.0.1:{self.enterContext(black_hole())}")]
        clients = [self.client(proxy, receive_buffer=1 << 14) for _ in texts]
        for client, text in zip(clients, texts):
            client.send(text)
        wait_quietly(0.2)
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(PROMPT), 0)

    def test_sigpipe_and_others_do_no_harm(self):
        proxy = self.start_proxy()
        proxy.signal(signal.SIGPIPE)
        origin = self.origin(lambda wire: (wire.read_some(), wire.reset()))
        for _ in range(20):  # the proxy writes to ends that are gone
            client = self.tunnel(origin.authority, proxy=proxy)
            try:
                client.send(b"x")
                client.send(b"y" * 100_000)
            except OSError:
                pass
            client.reset()
        self.assert_serves(proxy)

    def test_stopped_and_continued(self):
        """EINTR in every wait."""
        proxy = self.start_proxy()
        with self.tunnel(self.origin(echo).authority, proxy=proxy) as client:
            for _ in range(5):
                proxy.signal(signal.SIGSTOP)
                client.send(b"x")
                wait_quietly(0.02)
                proxy.signal(signal.SIGCONT)
                self.assertEqual(client.read_exactly(1), b"x")


class Descriptors(ProxyTest):
    def setUp(self) -> None:
        pass

    def start_short(self, site, authority: str) -> Proxy:
        """With few descriptors. UBSan needs some when it first sees a class, else it calls the object a bad one."""
        proxy = self.start_proxy(descriptors=64, threads=1)
        self.assertEqual(self.get(site.url(), proxy).body, b"ok")
        self.tunnel(authority, proxy=proxy).close()
        return proxy

    def test_idle_connections_make_room_for_a_new_origin(self):
        """Connections that wait for their next use hold most descriptors; a new origin comes first."""
        proxy = self.start_proxy(descriptors=64, threads=1)
        for number in range(80):
            site = self.site(lambda asked: response("ok"))
            self.assertEqual(self.get(site.url(), proxy).status, 200, f"origin {number}")

    def test_it_survives_when_there_are_no_more_descriptors(self):
        origin, site = self.origin(hold), self.site(lambda asked: response("ok"))
        proxy = self.start_short(site, origin.authority)
        clients = []
        for _ in range(100):  # they fit into the backlog
            client = self.client(proxy)
            client.send(request("CONNECT", origin.authority))
            clients.append(client)
        proxy.wait_for_log(r"(?i)descriptor|too many open files|EMFILE|no_descriptors")
        lines, cpu = len(proxy.log), proxy.cpu_seconds()
        wait_quietly(1)
        self.assertIsNone(proxy.process.poll())
        self.assertLess(proxy.cpu_seconds() - cpu, 0.5, "it must not spin while it has no descriptors")
        self.assertLess(len(proxy.log) - lines, 100, "nor flood the log")
        for client in clients[:90]:
            client.close()
        for client in clients[90:]:
            client.close()
        wait_until(lambda: self.served(site, proxy), "served again", TIMEOUT)
        self.assertEqual(self.get(site.url(), proxy).body, b"ok")

    def served(self, site, proxy: Proxy) -> bool:
        answer = self.get(site.url(), proxy)
        self.assertIn(answer.status, (200, 502, 503))
        return answer.status == 200

    def test_waiting_clients_are_served_when_others_leave(self):
        origin, site = self.origin(echo), self.site(lambda asked: response("ok"))
        proxy = self.start_short(site, origin.authority)
        holders = [self.client(proxy) for _ in range(70)]  # say nothing, each takes a descriptor
        wait_quietly(0.3)
        late = self.client(proxy)
        late.send(request("GET", site.url()))
        wait_quietly(0.2)
        for client in holders:
            client.close()
        answer = late.read_response()
        self.assertIn(answer.status, (200, 502, 503))
        with self.tunnel(origin.authority, b"x", proxy) as client:
            self.assertEqual(client.read_exactly(1), b"x")


@unittest.skipIf(settings.SANITIZER == "thread", "ThreadSanitizer has a thread of its own that wakes up")
class Quiet(ProxyTest):
    def assert_quiet(self) -> None:
        """Not one wake-up in a second; a timer that ran out long after its work may still come once."""
        def still() -> bool:
            before = self.proxy.wakeups()
            wait_quietly(1)
            return self.proxy.wakeups() == before

        self.assertTrue(still() or still() or still(), "it wakes up although nothing happens")

    def test_fresh(self):
        self.assert_quiet()

    def test_after_work_and_with_idle_connections(self):
        site, origin = self.site(lambda asked: response("ok")), self.origin(echo)
        self.assert_serves()
        with self.client() as client, self.tunnel(origin.authority, b"x") as tunnel:
            client.send(request("GET", site.url()))
            self.assertEqual(client.read_response().body, b"ok")
            self.assertEqual(tunnel.read_exactly(1), b"x")
            self.assert_quiet()

    def test_with_a_reader_that_does_not_read(self):
        def flood(wire: Wire) -> None:
            while True:
                wire.send(bytes(1 << 16))

        with self.tunnel(self.origin(flood).authority, receive_buffer=1 << 14):
            wait_quietly(0.5 * SCALE)
            before, cpu = self.proxy.wakeups(), self.proxy.cpu_seconds()
            wait_quietly(1)
            self.assertLess(self.proxy.wakeups() - before, 20)
            self.assertLess(self.proxy.cpu_seconds() - cpu, 0.2)


if __name__ == "__main__":
    unittest.main()
