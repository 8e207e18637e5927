"""The access log: every field of every kind of end, rotation under load, full disks, sampling."""
import collections
import contextlib
import json
import resource
import signal
import socket
import subprocess
import threading
import unittest
from pathlib import Path

import settings
from harness import ProxyTest, environment, run_program
from origins import black_hole, echo, hold, refusing_port
from settings import PROMPT, SCALE, TIMEOUT
from wire import chunked, request, response, wait_quietly, wait_until

KEYS = ["time", "id", "client", "user", "protocol", "method", "target", "decision", "rule", "status", "upstream",
        "pooled", "dns_ms", "connect_ms", "first_byte_ms", "total_ms", "bytes_up", "bytes_down", "end_up", "end_down",
        "detail", "via"]


class AccessLogTest(ProxyTest):
    def setUp(self) -> None:
        self.path = self.folder() / "access.log"

    def start(self, *options: str, form: str = "json", **more):
        self.proxy = self.start_proxy("--access-log", str(self.path), "--access-log-format", form, *options, **more)
        return self.proxy

    def lines(self, path: Path | None = None) -> list[str]:
        text = (path or self.path).read_text()
        self.assertTrue(text.endswith("\n") or not text, text[-200:])
        return text.splitlines()

    def records(self, count: int, within: float = TIMEOUT) -> list[dict]:
        """As soon as there are so many."""
        wait_until(lambda: self.path.read_bytes().count(b"\n") >= count, f"{count} records", within)
        found = [json.loads(line) for line in self.lines()]
        self.assertEqual(len(found), count, found)
        for one in found:
            self.assertEqual(list(one), KEYS)
        return found

    def record(self) -> dict:
        return self.records(1)[0]

    def assert_fields(self, found: dict, **wanted) -> None:
        self.assertEqual({key: found[key] for key in wanted}, wanted, found)


class Requests(AccessLogTest):
    def test_get(self):
        self.start()
        site = self.site(lambda asked: response("x" * 1000))
        with self.client() as client:
            client.send(request("GET", site.url("/path?secret=1")))
            answer = client.read_response()
            found = self.record()
            own = "%s:%d" % client.socket.getsockname()
        self.assert_fields(found, client=own, user=None, protocol="http/1.1", method="GET", target=site.url("/path?"),
                           decision="allow", rule='default of policy "built in"', status=200,
                           upstream=site.authority, pooled=False,
                           bytes_up=len(site.requests[0].raw_head), bytes_down=len(answer.raw_head) + 1000,
                           end_up="eof", end_down="eof", detail=None)
        self.assertRegex(found["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertRegex(found["id"], r"^[01]-1-1$")
        for key in ("dns_ms", "connect_ms", "first_byte_ms", "total_ms"):
            self.assertGreaterEqual(found[key], 0)
        self.assertLessEqual(found["connect_ms"], found["first_byte_ms"])
        self.assertLessEqual(found["first_byte_ms"], found["total_ms"])

    def test_durations_tell_what_took_long(self):
        self.start()
        self.get(self.site(lambda asked: (wait_quietly(0.3), response("ok"))[1]).url())
        found = self.record()
        self.assertGreaterEqual(found["first_byte_ms"], 290)
        self.assertLess(found["connect_ms"], 290)

    def test_a_kept_connection_and_a_pooled_one(self):
        self.start(threads=1)
        site = self.site(lambda asked: response("ok"))
        with self.client() as client:
            for _ in range(2):
                client.send(request("GET", site.url()))
                client.read_response()
            first, second = self.records(2)
        self.assertEqual([first["id"], second["id"]], ["0-1-1", "0-1-2"])
        self.assert_fields(first, pooled=False, upstream=site.authority)
        self.assert_fields(second, pooled=True, upstream=site.authority, dns_ms=None, connect_ms=None)

    def test_post_and_its_ways_to_end(self):
        self.start("--max-body-bytes", "5000", "--idle-timeout-ms", "700", threads=1)
        site = self.site(lambda asked: response("ok"))
        self.ask(request("POST", site.url(), body=b"x" * 4000))
        found = self.record()
        self.assert_fields(found, method="POST", status=200, end_up="eof", end_down="eof",
                           bytes_up=len(site.requests[0].raw_head) + 4000)
        origin = self.origin(hold)
        head = request("POST", origin.url(), fields=[("Transfer-Encoding", "chunked")])
        self.assertEqual(self.ask(head + chunked(bytes(9000))).status, 413)
        self.assert_fields(self.records(2)[1], status=413, decision="refuse", end_up="limit", end_down="eof")
        self.assertEqual(self.ask(request("POST", origin.url(), fields=[("Content-Length", "6000")])).status, 413)
        self.assert_fields(self.records(3)[2], status=413, end_up="limit", end_down="eof", upstream=None)
        with self.client() as client:
            client.send(head + b"1\r\nx\r\n")
            self.assertEqual(client.read_response().status, 408)
            self.assertEqual(client.ended(), "eof", "one answer, and no reset behind it")
        self.assert_fields(self.records(4)[3], status=408, end_up="idle", end_down="eof")
        with self.client() as client:
            client.send(head + b"1\r\nx\r\n")
            origin.wait_for(3)
            client.reset()
        self.assert_fields(self.records(5)[4], status=400, end_up="reset")

    def test_refused_requests_name_no_credentials(self):
        self.start(threads=1)
        for data, status in ((request("GET", "/origin-form", host="a"), 400),
                             (request("GET", "http://user:secret@host.invalid/"), 400),
                             (request("CONNECT", "user:secret@host.invalid:443", host="a"), 400),
                             (request("GET", "http://user:sec/ret@host.invalid/", host="a"), 400),
                             (b"GET http://h/ HTTP/1.1\nHost: h\n\n", 400), (b"\x16\x03\x01\x00\xff\r\n\r\n", 400),
                             (b"GET /" + b"x" * 70_000, 414)):
            self.assertEqual(self.ask(data).status, status, data[:60])
        found = self.records(7)
        for one in found:
            self.assert_fields(one, decision="refuse", upstream=None, end_down="eof", pooled=False)
            self.assertTrue(one["detail"])
        self.assertNotIn("sec", self.path.read_text())
        self.assertEqual(found[1]["target"], "http://host.invalid/")

    def test_a_malformed_request_has_nothing_of_the_one_before(self):
        self.start()
        site = self.site(lambda asked: response("ok"))
        with self.client() as client:
            client.send(request("HEAD", site.url("/a/rather/long/path")) + b"X\r\n\r\n")
            client.read_response("HEAD")
            self.assertEqual(client.read_response().status, 400)
        self.assert_fields(self.records(2)[1], method=None, target=None, status=400, end_up=None, end_down="eof")

    def test_connection_refused_and_nobody_answers(self):
        self.start("--connect-timeout-ms", "300", "--response-timeout-ms", "400")
        with refusing_port() as port:
            self.get(f"http://127.0.0.1:{port}/")
            found = self.record()
            self.assert_fields(found, decision="allow", status=502, upstream=None, connect_ms=None,
                               first_byte_ms=None, end_up="eof", end_down="eof")
            self.assertIn("refused", found["detail"])
        with black_hole() as port:
            self.get(f"http://127.0.0.1:{port}/")
        self.assert_fields(self.records(2)[1], status=504)
        silent = self.origin(hold)
        self.get(silent.url())
        self.assert_fields(self.records(3)[2], status=504, upstream=silent.authority, first_byte_ms=None)

    def test_an_answer_that_breaks_off(self):
        self.start("--idle-timeout-ms", "500")

        def begin(wire):
            wire.read_head()
            wire.send(response(b"x" * 10, length=99))

        ends = {"reset": lambda wire: (begin(wire), wait_quietly(0.1), wire.reset()),
                "failed": begin,
                "idle": lambda wire: (begin(wire), hold(wire))}
        for count, (how, script) in enumerate(ends.items(), 1):
            with self.client() as client:
                client.send(request("GET", self.origin(script).url()))
                client.drained()
            found = self.records(count)[-1]
            self.assert_fields(found, status=200, end_up="eof", end_down=how)
            self.assertIn("broke off", found["detail"])

    def test_a_client_that_leaves(self):
        self.start()

        def pour(wire):
            wire.read_head()
            wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                wire.send(bytes(1 << 16))

        with self.client() as client:
            client.send(request("GET", self.origin(pour).url()))
            client.read_exactly(100_000)
            client.reset()
        self.assert_fields(self.record(), status=200, end_down="reset")
        origin = self.origin(hold)
        with self.client() as client:
            client.send(request("GET", origin.url()))
            origin.wait_for(1)
            client.reset()
        self.assert_fields(self.records(2)[1], status=0, end_down="reset", upstream=origin.authority)

    def test_query_strings_if_they_are_wanted(self):
        self.start("--access-log-query")
        site = self.site(lambda asked: response("ok"))
        self.get(site.url("/a?b=c"))
        self.assertEqual(self.record()["target"], site.url("/a?b=c"))

    def test_hostile_targets_are_one_line_of_json_or_text(self):
        site = self.site(lambda asked: response("ok"))
        for form in ("json", "text"):
            self.start(form=form)
            self.path.write_bytes(b"")
            self.get(site.url('/"quotes"\\and{braces}%00'))
            wait_until(lambda: self.path.stat().st_size, "a record")
            line, = self.lines()
            if form == "json":
                self.assertEqual(json.loads(line)["target"], site.url('/"quotes"\\and{braces}%00'))
            else:
                self.assertEqual(len(line.split(" ")), len(KEYS))
                self.assertEqual(line.split(" ")[6], site.url('/"quotes"\\\\and{braces}%00'))

    def test_text_on_standard_output(self):
        command = [str(settings.PROXY), "--port", "0", "--reactor", settings.REACTOR, "--access-log", "-"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
                              text=True) as process:
            while "listening on" not in (line := process.stderr.readline()):
                self.assertTrue(line, "it ended")
            port = int(line.split("listening on ")[1].split(" ")[0].rpartition(":")[2])
            site = self.site(lambda asked: response("ok"))
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(request("GET", site.url(), fields=[("Connection", "close")]))
                while client.recv(4096):
                    pass
            words = process.stdout.readline().split()
            process.terminate()
            self.assertEqual((words[5:7], words[9]), (["GET", site.url()], "200"))
            self.assertEqual(process.stdout.read(), "")
            process.communicate()
        self.assertEqual(process.returncode, 0)


class Tunnels(AccessLogTest):
    def test_a_tunnel_that_ends_in_order(self):
        self.start()
        origin = self.origin(lambda wire: (wire.read_to_end(), wire.send(b"x" * 50_000)))
        with self.tunnel(origin.authority, b"early") as client:
            own = "%s:%d" % client.socket.getsockname()
            client.send(b" and late")
            client.half_close()
            client.read_to_end()
        found = self.record()
        self.assert_fields(found, client=own, method="CONNECT", target=origin.authority, status=200, decision="allow",
                           upstream=origin.authority, pooled=False, bytes_up=14, bytes_down=50_000, end_up="eof",
                           end_down="eof", detail=None)
        self.assertLessEqual(found["first_byte_ms"], found["total_ms"])

    def test_resets(self):
        self.start()
        origin = self.origin(lambda wire: (wire.read_exactly(1), wire.reset()))
        with self.tunnel(origin.authority, b"x") as client:
            client.drained()
        self.assert_fields(self.record(), end_up="reset", end_down="reset", bytes_up=1)
        with self.tunnel(self.origin(echo).authority) as client:
            client.send(b"x")
            client.read_exactly(1)
            client.reset()
        self.assert_fields(self.records(2)[1], end_up="reset", end_down="reset", bytes_up=1, bytes_down=1)

    def test_idle(self):
        self.start("--idle-timeout-ms", "300")
        with self.tunnel(self.origin(hold).authority) as client:
            client.drained()
        found = self.record()
        self.assert_fields(found, end_up="idle", end_down="idle", bytes_up=0, bytes_down=0)
        self.assertGreaterEqual(found["total_ms"], 290)

    def test_an_upgrade(self):
        self.start()

        def upgrade(wire):
            wire.read_head()
            wire.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello")
            echo(wire)

        origin = self.origin(upgrade)
        with self.client() as client:
            client.send(request("GET", origin.url(), fields=[("Connection", "Upgrade"), ("Upgrade", "x")]))
            client.read_response()
            self.assertEqual(client.read_exactly(5), b"hello")
            client.send(b"abc")
            self.assertEqual(client.read_exactly(3), b"abc")
            client.half_close()
            client.read_to_end()
        self.assert_fields(self.record(), method="GET", status=101, bytes_up=3, bytes_down=8, end_up="eof",
                           end_down="eof")

    def test_what_a_drain_cuts_is_logged_before_the_end(self):
        proxy = self.start("--drain-timeout-ms", "300")
        origin, silent = self.origin(echo), self.origin(hold)
        tunnels = [self.tunnel(origin.authority, b"x") for _ in range(20)]
        for client in tunnels:
            client.read_exactly(1)
        waiting = self.client()
        waiting.send(request("GET", silent.url()))
        silent.wait_for(1)
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(), 0)
        found = self.records(21)
        for one in found:
            self.assertEqual(one["end_down"], "shutdown", one)
        self.assertEqual(sum(one["method"] == "CONNECT" and one["bytes_up"] == 1 for one in found), 20)


class File(AccessLogTest):
    def run_load(self, site, clients: int, stop: threading.Event) -> collections.Counter:
        """Requests with numbers until stop; how often each was answered."""
        done, lock = collections.Counter(), threading.Lock()

        def work(who: int) -> None:
            with self.client() as client:
                number = 0
                while not stop.is_set():
                    number += 1
                    client.send(request("GET", site.url(f"/{who}/{number}")))
                    client.read_response()
                    with lock:
                        done[f"/{who}/{number}"] += 1

        threads = [threading.Thread(target=work, args=(who,)) for who in range(clients)]
        for one in threads:
            one.start()
        self.addCleanup(stop.set)
        self.join = lambda: [one.join(TIMEOUT) for one in threads]
        return done

    def test_rotation_under_load_loses_and_doubles_nothing(self):
        proxy = self.start()
        site = self.site(lambda asked: response("ok"))
        stop, rotated = threading.Event(), []
        done = self.run_load(site, 4, stop)
        for number in range(12 // SCALE):
            before = len(done)
            wait_until(lambda: len(done) >= before + 20, "load")
            rotated.append(self.path.with_suffix(f".{number}"))
            self.path.rename(rotated[-1])
            proxy.signal(signal.SIGUSR1)
            wait_until(self.path.exists, "the new file")
        stop.set()
        self.join()
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(), 0)
        logged = collections.Counter()
        for path in (*rotated, self.path):
            for line in self.lines(path):
                logged[json.loads(line)["target"].removeprefix(f"http://{site.authority}")] += 1
        self.assertEqual(logged, done)
        self.assertGreater(len(done), 100 // SCALE)

    def test_the_log_file_is_rotated_too(self):
        log = self.path.with_name("proxy.log")
        proxy = self.start(log_file=log)
        log.rename(log.with_suffix(".old"))
        proxy.signal(signal.SIGUSR1)
        wait_until(log.exists, "the new file")
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(), 0)
        self.assertIn("stopped", log.read_text())

    def test_a_full_disk_is_told_once_and_keeps_nobody(self):
        self.path = Path("/dev/full")
        proxy = self.start()
        site = self.site(lambda asked: response("ok"))
        self.get(site.url())
        proxy.wait_for_log(r"/dev/full: .*(?i:space)")
        for _ in range(50):
            self.assertEqual(self.get(site.url()).body, b"ok")
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(), 0)
        self.assertEqual(sum("/dev/full" in line for line in proxy.log), 1, proxy.log_text())
        proxy.wait_for_log("access log: 51 lines were lost in all")

    def test_it_goes_on_when_there_is_room_again(self):
        proxy = self.start(threads=1)
        site = self.site(lambda asked: response("ok"))
        resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        for number in range(10):
            self.get(site.url(f"/{number}"))
        proxy.wait_for_log("access log .*: tried again")
        self.assertEqual(self.path.stat().st_size, 1000)
        resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        proxy.wait_for_log("written again; 0 lines were dropped")
        self.assertEqual([one["target"] for one in self.records(10)], [site.url(f"/{n}") for n in range(10)])

    def test_a_file_that_cannot_be_opened(self):
        for path in (str(self.folder()), str(self.folder() / "no/such")):
            done = run_program("--port", "0", "--access-log", path)
            self.assertEqual(done.returncode, 1)
            self.assertIn("--access-log", done.stderr)

    def test_without_an_access_log_sigusr1_does_no_harm(self):
        proxy = self.proxy = self.start_proxy()
        proxy.signal(signal.SIGUSR1)
        self.assert_serves()

    def test_an_idle_one_wakes_nobody(self):
        proxy = self.start()
        self.assert_serves()
        self.records(2)
        with contextlib.suppress(AssertionError):  # what ends of the connections before may take its time
            wait_until(lambda: proxy.socket_count() == proxy.sockets_at_start, "sockets closed", PROMPT)
        wait_quietly(0.2)
        before = proxy.wakeups()
        wait_quietly(1)
        self.assertLess(proxy.wakeups() - before, 20)


class Sampling(AccessLogTest):
    def test_faults_are_always_logged_the_rest_by_its_share(self):
        self.start("--access-log-sample", "0.1")
        site = self.site(lambda asked: response("ok"))
        count = 400
        with self.client() as client:
            for _ in range(count):
                client.send(request("GET", site.url("/fine")))
                client.read_response()
        with refusing_port() as port:
            for _ in range(30):
                self.get(f"http://127.0.0.1:{port}/")
        for _ in range(30):
            self.ask(request("GET", "/bad", host="a"))
        self.proxy.signal(signal.SIGTERM)
        self.assertEqual(self.proxy.wait(), 0)
        statuses = collections.Counter(json.loads(line)["status"] for line in self.lines())
        self.assertEqual((statuses[502], statuses[400]), (30, 30))
        # 40 expected with a deviation of 6: seven of them make a false alarm rarer than one in 10**11
        self.assertGreater(statuses[200], 0)
        self.assertLess(statuses[200], 82)


if __name__ == "__main__":
    unittest.main()
