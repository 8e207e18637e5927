"""The admin listener: metrics, health, readiness, live tunnels; and what hostile clients of it can do."""
import contextlib
import json
import re
import signal
import socket
import subprocess
import threading
import unittest

from harness import Proxy, ProxyTest, run_program
from origins import black_hole, echo, hold, refusing_port
from settings import PROMPT, SCALE, TIMEOUT
from wire import Message, Wire, request, response, wait_quietly, wait_until

SERIES = re.compile(r'(co_http_proxy_[a-z_]+)(?:\{([^}]*)\})? ([0-9.]+)')


class AdminTest(ProxyTest):
    def setUp(self) -> None:
        self.start()

    def start(self, *options: str, **more) -> Proxy:
        self.proxy = self.start_proxy("--admin", "127.0.0.1:0", *options, **more)
        match = self.proxy.wait_for_log(r"admin on (\S+):(\d+)")
        self.admin = ("127.0.0.1" if match[1] == "0.0.0.0" else match[1].strip("[]"), int(match[2]))
        return self.proxy

    def connect(self) -> Wire:
        wire = Wire.connect(*self.admin)
        self._clients.append(wire)
        return wire

    def fetch(self, path: str, method: str = "GET", **more) -> Message:
        with self.connect() as wire:
            more.setdefault("host", "127.0.0.1")
            wire.send(request(method, path, **more))
            return wire.read_response(method)

    def metrics(self) -> dict[str, float]:
        """Of the second of two pages: what the loops copy is as of the first, then."""
        self.fetch("/metrics")
        wait_quietly(0.05)
        found = {}
        for line in self.fetch("/metrics").body.decode().splitlines():
            if not line.startswith("#"):
                name, labels, value = SERIES.fullmatch(line).groups()
                key = f"{name.removeprefix('co_http_proxy_')}{{{labels}}}" if labels else name[14:]
                self.assertNotIn(key, found)
                found[key] = float(value)
        return found

    def wait_for_metric(self, key: str, value: float) -> dict[str, float]:
        seen: list[dict[str, float]] = []

        def there() -> bool:
            seen.append(self.metrics())
            return seen[-1][key] == value

        wait_until(there, f"{key} is {value}")
        return seen[-1]


class Pages(AdminTest):
    def test_health_and_readiness(self):
        for path, body in (("/health", b"ok\n"), ("/ready", b"ready\n")):
            answer = self.fetch(path)
            self.assertEqual((answer.status, answer.body, answer.get("Cache-Control")), (200, body, "no-store"))

    def test_head_has_the_fields_of_get_and_no_body(self):
        for path in ("/health", "/metrics", "/tunnels", "/nonsense"):
            with self.connect() as wire:
                wire.send(request("HEAD", path, host="127.0.0.1") + request("GET", "/health", host="127.0.0.1"))
                head = wire.read_response("HEAD")
                self.assertGreater(int(head.get("Content-Length")), 0)
                self.assertEqual(wire.read_response().body, b"ok\n", "the next answer follows at once")
            self.assertEqual(head.status, self.fetch(path).status)

    def test_unknown_paths_and_methods(self):
        for path in ("/", "/metric", "/metrics/", "//metrics", "/health%00", "/METRICS", "/../metrics"):
            self.assertEqual(self.fetch(path).status, 404, path)
        self.assertEqual(self.fetch("/health?x=y").status, 200)
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "FOO"):
            answer = self.fetch("/health", method)
            self.assertEqual((answer.status, answer.get("Allow")), (405, "GET, HEAD"), method)
        self.assertEqual(self.fetch("/health", body=b"x").status, 400)
        self.assertEqual(self.fetch("/health", fields=[("Transfer-Encoding", "chunked")]).status, 400)
        self.assertEqual(self.fetch("host:443", "CONNECT", host="host:443").status, 400)
        self.assertEqual(self.fetch("*", "OPTIONS").status, 400)

    def test_what_is_no_http(self):
        for data in (b"nonsense\r\n\r\n", b"GET /health HTTP/1.1\n\n", b"\x16\x03\x01\x02\x00", b"GET /health\r\n\r\n",
                     b"GET /health HTTP/1.1\r\n\r\n", b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"):
            with self.connect() as wire:
                wire.send(data)
                self.assertEqual(wire.read_response().status, 400, data)
                self.assertEqual(wire.ended(), "eof")

    def test_input_is_bounded(self):
        for data in (b"GET /" + b"x" * 100_000, b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000):
            with self.connect() as wire, contextlib.suppress(OSError):
                wire.send(data)
                self.assertIn(wire.read_response().status, (414, 431))
        self.assertEqual(self.fetch("/health").status, 200)

    def test_keep_alive_pipelining_and_http_1_0(self):
        with self.connect() as wire:
            wire.send(request("GET", "/health", host="localhost") * 50)
            for _ in range(50):
                self.assertEqual(wire.read_response().body, b"ok\n")
        with self.connect() as wire:
            wire.send(request("GET", "/health", host="localhost", version="1.0"))
            self.assertEqual(wire.read_response().body, b"ok\n")
            self.assertEqual(wire.ended(), "eof")

    def test_a_name_as_host_is_refused_unless_it_is_open(self):
        self.assertEqual(self.fetch("/tunnels", host="rebound.example").status, 421)
        for host in ("localhost:9", "127.0.0.1", "[::1]:9"):
            self.assertEqual(self.fetch("/health", host=host).status, 200, host)
        self.start("--admin-open")
        self.assertEqual(self.fetch("/tunnels", host="rebound.example").status, 200)


class Hostile(AdminTest):
    def test_slow_clients_keep_nobody_out(self):
        slow = [self.connect() for _ in range(100)]
        for wire in slow:
            with contextlib.suppress(OSError):
                wire.send(b"GET /health HT")
        for _ in range(5):
            self.assertEqual(self.fetch("/health").status, 200)
        ended = sum(wire.ended(10 * PROMPT) in ("eof", "reset") for wire in slow)
        self.assertEqual(ended, len(slow), "a head that does not come ends, too")
        self.assertEqual(self.fetch("/health").status, 200)

    def test_who_does_not_read_keeps_nobody_out_and_is_let_go(self):
        for _ in range(40):
            wire = Wire.connect(*self.admin, receive_buffer=4096)
            self._clients.append(wire)
            wire.socket.settimeout(0.1)
            with contextlib.suppress(OSError):
                while True:
                    wire.send(request("GET", "/metrics", host="localhost") * 10)
        self.assertEqual(self.fetch("/health").status, 200)
        wait_until(lambda: self.proxy.socket_count() == self.proxy.sockets_at_start, "it is let go", 30 * SCALE)

    def test_resets_at_every_moment(self):
        data = request("GET", "/metrics", host="localhost")
        for cut in range(0, len(data) + 1, 3):
            with self.connect() as wire:
                wire.send(data[:cut])
                wire.reset()
        self.assertEqual(self.fetch("/health").status, 200)


class Options(ProxyTest):
    def setUp(self) -> None:
        pass

    def test_an_address_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            where = "%s:%d" % taken.getsockname()
            done = run_program("--port", "0", "--admin", where)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"--admin {where}", done.stderr)

    def test_others_need_admin_open(self):
        done = run_program("--port", "0", "--admin", "0.0.0.0:0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--admin-open", done.stderr)
        proxy = self.start_proxy("--admin", "0.0.0.0:0", "--admin-open")
        proxy.wait_for_log(r"admin on 0\.0\.0\.0:\d+")


class Metrics(AdminTest):
    def setUp(self) -> None:
        self.start("--connect-timeout-ms", "400", "--max-body-bytes", "10")

    def test_promtool_accepts_the_page(self):
        self.get(self.site(lambda asked: response("ok")).url())
        answer = self.fetch("/metrics")
        self.assertEqual(answer.get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8")
        done = subprocess.run(["promtool", "check", "metrics"], input=answer.body, capture_output=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    def test_every_series_is_there_before_anything_happened(self):
        found = self.metrics()
        self.assertEqual({key: found[key] for key in (
            "connections_total", "open_connections", "open_tunnels", "draining", "pool_connections",
            'requests_total{method="GET",code="2xx"}', 'requests_total{method="other",code="none"}',
            'refusals_total{reason="denied"}', 'upstream_connect_failures_total{reason="name"}',
            'transferred_bytes_total{direction="up"}', "first_byte_seconds_count",
            "access_log_dropped_records_total", "accept_errors_total")}, dict.fromkeys((
                "connections_total", "open_connections", "open_tunnels", "draining", "pool_connections",
                'requests_total{method="GET",code="2xx"}', 'requests_total{method="other",code="none"}',
                'refusals_total{reason="denied"}', 'upstream_connect_failures_total{reason="name"}',
                'transferred_bytes_total{direction="up"}', "first_byte_seconds_count",
                "access_log_dropped_records_total", "accept_errors_total"), 0.0))
        self.assertIn('build_info{version="', " ".join(found))
        self.assertGreater(found["connections_limit"], 0)
        self.assertGreater(found["start_time_seconds"], 1.7e9)
        self.assertGreater(found['loop_turns_total{loop="0"}'], 0)
        self.assertIn('loop_turns_total{loop="1"}', found)

    def test_requests(self):
        site = self.site(lambda asked: response("x" * 100))
        missing = self.site(lambda asked: response("", status="404 Not Found"))
        with self.client() as client:
            for _ in range(3):
                client.send(request("GET", site.url()))
                client.read_response()
            client.send(request("FOO", missing.url()))
            client.read_response()
            found = self.metrics()
            self.assertEqual(found["open_connections"], 1)
        self.assertEqual(self.ask(request("POST", site.url(), body=bytes(11))).status, 413)
        self.ask(b"nonsense\r\n\r\n")
        with refusing_port() as port:
            self.get(f"http://127.0.0.1:{port}/")
        with black_hole() as port:
            self.get(f"http://127.0.0.1:{port}/")
        self.get("http://no-such-host.invalid/")
        found = self.wait_for_metric("open_connections", 0)
        for key, value in {'requests_total{method="GET",code="2xx"}': 3, 'requests_total{method="other",code="4xx"}': 2,
                           'requests_total{method="POST",code="4xx"}': 1, 'requests_total{method="GET",code="5xx"}': 3,
                           'refusals_total{reason="too_large"}': 1, 'refusals_total{reason="bad_request"}': 1,
                           'refusals_total{reason="upstream_failed"}': 2,
                           'refusals_total{reason="upstream_timeout"}': 1,
                           'upstream_connect_failures_total{reason="refused"}': 1,
                           'upstream_connect_failures_total{reason="timeout"}': 1,
                           'upstream_connect_failures_total{reason="name"}': 1, "connections_total": 6,
                           "upstream_connects_total": 2, "pool_hits_total": 2, "pool_connections": 2,
                           "first_byte_seconds_count": 4, "upstream_connect_seconds_count": 2}.items():
            self.assertEqual(found[key], value, key)
        self.assertGreater(found['transferred_bytes_total{direction="down"}'], 300)
        self.assertEqual(found['first_byte_seconds_bucket{le="+Inf"}'], 4)

    def test_a_request_that_took_long_is_in_the_buckets_behind(self):
        self.get(self.site(lambda asked: (wait_quietly(0.3), response("ok"))[1]).url())
        found = self.metrics()
        self.assertEqual(found['first_byte_seconds_bucket{le="0.25"}'], 0)
        self.assertEqual(found['first_byte_seconds_bucket{le="30"}'], 1)
        self.assertGreaterEqual(found["first_byte_seconds_sum"], 0.3)

    def test_tunnels_count_while_they_live(self):
        origin = self.origin(echo)
        with self.tunnel(origin.authority, b"1234") as client:
            client.read_exactly(4)
            found = self.metrics()
            for key, value in {"open_tunnels": 1, "tunnels_total": 1, 'transferred_bytes_total{direction="up"}': 4,
                               'requests_total{method="CONNECT",code="2xx"}': 1}.items():
                self.assertEqual(found[key], value, key)
            client.send(b"5678")
            client.read_exactly(4)
        found = self.wait_for_metric("open_tunnels", 0)
        self.assertEqual(found['transferred_bytes_total{direction="up"}'], 8)
        self.assertEqual(found["tunnels_total"], 1)

    def test_counters_never_fall_and_add_up_while_loaded(self):
        site = self.site(lambda asked: response("ok"))
        stop, done = threading.Event(), [0] * 4

        def work(who: int) -> None:
            with self.client() as client:
                while not stop.is_set():
                    client.send(request("GET", site.url()))
                    client.read_response()
                    done[who] += 1

        threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
        for one in threads:
            one.start()
        self.addCleanup(stop.set)
        before: dict[str, float] = {}
        for _ in range(20):
            found = self.metrics()
            for key, value in before.items():
                if key.split("{")[0].endswith(("_total", "_count", "_sum", "_bucket")):
                    self.assertGreaterEqual(found[key], value, key)
            before = found
        stop.set()
        for one in threads:
            one.join(TIMEOUT)
        self.assertEqual(self.metrics()['requests_total{method="GET",code="2xx"}'], sum(done))


class Tunnels(AdminTest):
    def tunnels(self) -> dict:
        answer = self.fetch("/tunnels")
        self.assertEqual(answer.get("Content-Type"), "application/json")
        return json.loads(answer.body)

    def test_none(self):
        self.assertEqual(self.tunnels(), {"total": 0, "shown": 0, "complete": True, "tunnels": []})

    def test_what_is_shown_of_each(self):
        origin = self.origin(echo)
        clients = [self.tunnel(origin.authority) for _ in range(6)]
        wait_quietly(0.3)
        clients[0].send(b"abc")
        clients[0].read_exactly(3)
        found = self.tunnels()
        self.assertEqual((found["total"], found["shown"], found["complete"]), (6, 6, True))
        by_client = {one["client"]: one for one in found["tunnels"]}
        self.assertEqual(set(by_client), {"%s:%d" % client.socket.getsockname() for client in clients})
        busy = by_client["%s:%d" % clients[0].socket.getsockname()]
        self.assertEqual([busy[key] for key in ("target", "upstream", "method", "protocol", "bytes_up", "bytes_down")],
                         [origin.authority, origin.authority, "CONNECT", "http/1.1", 3, 3])
        self.assertLess(busy["idle_ms"], busy["age_ms"])
        for client, one in by_client.items():
            self.assertGreaterEqual(one["age_ms"], 290)
            if one is not busy:
                self.assertGreaterEqual(one["idle_ms"], 290)
        for client in clients:
            client.close()
        wait_until(lambda: self.tunnels()["total"] == 0, "none is left")

    def test_the_page_is_bounded(self):
        origin = self.origin(hold)
        count = 1100 // SCALE
        for _ in range(count):
            self.tunnel(origin.authority)
        found = self.tunnels()
        self.assertEqual((found["total"], found["shown"]), (count, min(count, 1000)))
        self.assertEqual(len(found["tunnels"]), found["shown"])
        self.assertEqual(found["complete"], count <= 1000)

    def test_while_tunnels_come_and_go(self):
        origin = self.origin(echo)
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                with self.tunnel(origin.authority, b"x") as client:
                    client.read_exactly(1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for one in threads:
            one.start()
        self.addCleanup(stop.set)
        for _ in range(50):
            found = self.tunnels()
            self.assertEqual(len(found["tunnels"]), found["total"])
        stop.set()
        for one in threads:
            one.join(TIMEOUT)


class Drain(AdminTest):
    def setUp(self) -> None:
        pass

    def test_while_anything_is_under_way_it_says_that_it_drains(self):
        proxy = self.start("--drain-timeout-ms", "60000", threads=4)
        origin = self.origin(echo)
        with self.tunnel(origin.authority, b"x") as client:
            client.read_exactly(1)
            self.assertEqual(self.fetch("/ready").status, 200)
            proxy.signal(signal.SIGTERM)
            wait_until(lambda: self.fetch("/ready").status == 503, "not ready", PROMPT)
            self.assertEqual(self.fetch("/health").status, 200)
            self.assertEqual(self.metrics()["draining"], 1)
            self.assertEqual(json.loads(self.fetch("/tunnels").body)["total"], 1)
            client.send(b"y")
            self.assertEqual(client.read_exactly(1), b"y")
        self.assertEqual(proxy.wait(PROMPT), 0)

    def test_connections_to_it_do_not_keep_the_program(self):
        proxy = self.start()
        idle, slow, kept = self.connect(), self.connect(), self.connect()
        slow.send(b"GET /hea")
        kept.send(request("GET", "/health", host="localhost"))
        kept.read_response()
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(PROMPT), 0)
        for wire in (idle, slow, kept):
            self.assertIn(wire.ended(), ("eof", "reset"))

    def test_a_second_signal_reaches_loops_that_still_have_something(self):
        for _ in range(4):
            proxy = self.start_proxy("--drain-timeout-ms", "100000", threads=4)
            client = self.tunnel(self.origin(hold).authority, proxy=proxy)
            proxy.signal(signal.SIGTERM)
            proxy.wait_for_log("draining")
            wait_quietly(0.1)
            proxy.signal(signal.SIGTERM)
            self.assertEqual(proxy.wait(PROMPT), 0)
            self.assertEqual(client.ended(), "reset")


if __name__ == "__main__":
    unittest.main()
