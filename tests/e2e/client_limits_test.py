"""Limits per client and per user: connections, requests; times of whole requests and tunnels; sizes of heads."""
import contextlib
import json
import signal
import socket
import time
import unittest

import documents
from harness import Proxy
from origins import echo, hold
from policy_test import ALICE, basic
from settings import PROMPT, TIMEOUT
from socks import FAILED, NOT_ALLOWED, SocksTest, read_reply5, request4, request5
from wire import Truncated, Wire, request, response, wait_quietly, wait_until

TROUBLE = documents.page("troubleshooting.md")


class LimitsTest(SocksTest):
    def setUp(self) -> None:
        self.path = self.folder() / "access.log"

    def start(self, *options: str, **more) -> Proxy:
        self.proxy = self.start_proxy("--access-log", str(self.path), "--access-log-format", "json", *options, **more)
        return self.proxy

    def client_from(self, host: str) -> Wire:
        made = socket.create_connection((self.proxy.host, self.proxy.port), PROMPT, (host, 0))
        self._clients.append(Wire(made))
        return self._clients[-1]

    def records(self, rule: str) -> list[dict]:
        return [one for one in map(json.loads, self.path.read_text().splitlines()) if one["rule"] == rule]

    def assert_denied(self, answer, rule: str) -> None:
        self.assert_own_answer(answer, 429)
        self.assertIn(f"by rule limit: {rule}".encode(), answer.body)
        self.assertIn("`" + answer.body.decode().rstrip("\n").partition(": ")[2] + "`", TROUBLE)
        self.assertEqual(answer.get("Retry-After"), "1")
        found = wait_until(lambda: self.records(f"limit: {rule}"), "a record names the rule", PROMPT)
        self.assertEqual((found[0]["decision"], found[0]["status"]), ("deny", 429))
        self.proxy.wait_for_log(f"denied by rule limit: {rule}")


class ConnectionsOfClients(LimitsTest):
    def test_one_too_many_is_told_so_and_takes_nobodys_place(self):
        self.start("--max-connections-per-client", "3", "--max-connections", "4")
        origin, site = self.origin(echo), self.site(lambda asked: response("ok"))
        tunnels = [self.tunnel(origin.authority) for _ in range(3)]
        for _ in range(5):
            with self.client() as client:
                client.send(request("GET", site.url()))
                self.assert_denied(client.read_response(), "connections per client")
                self.assertEqual(client.ended(), "eof")
        told = [self.client() for _ in range(3)]  # they say nothing, and hold no place of the four
        with self.client_from("127.0.0.2") as other:
            other.send(request("GET", site.url()))
            self.assertEqual(other.read_response().status, 200)
        for client in (*told, tunnels.pop()):
            client.close()
        wait_until(lambda: self.get(site.url()).status == 200, "served when a tunnel has ended", PROMPT)
        self.assertEqual(tunnels[0].send(b"x"), None)
        self.assertEqual(tunnels[0].read_exactly(1), b"x")

    def test_socks_is_told_a_general_failure(self):
        self.start("--max-connections-per-client", "1")
        origin = self.origin(echo)
        with self.tunnel5("127.0.0.1", origin.port, b"x") as first:
            self.assertEqual(first.read_exactly(1), b"x")
            self.assertEqual(self.refusal5(request5("127.0.0.1", origin.port)), FAILED)
            with self.client() as client:
                client.send(request4("127.0.0.1", origin.port))
                self.assertEqual(client.read_exactly(8)[:2], b"\0\x5b")
        found = wait_until(lambda: len(self.records("limit: connections per client")) == 2 and
                           self.records("limit: connections per client"), "records name the rule", PROMPT)
        self.assertEqual(sorted(one["protocol"] for one in found), ["socks4", "socks5"])
        self.assertEqual([one["decision"] for one in found], ["deny", "deny"])

    def test_who_says_nothing_is_not_waited_for(self):
        self.start("--max-connections-per-client", "1")
        with self.tunnel(self.origin(echo).authority), self.client() as second:
            self.assertIn(second.drained(), ("eof", "reset"))

    def test_more_than_can_be_told_are_reset(self):
        self.start("--max-connections-per-client", "1")
        first = self.tunnel(self.origin(echo).authority)
        extra, ends = [], []
        for _ in range(100):
            try:
                extra.append(self.client())
            except ConnectionResetError:
                ends.append("reset")
        ends += [client.drained() for client in extra]
        self.assertGreaterEqual(ends.count("reset"), 30, ends)
        self.proxy.wait_for_log("limit: connections over a limit")
        first.close()
        site = self.site(lambda asked: response("ok"))

        def served() -> bool:
            with contextlib.suppress(OSError, Truncated):
                return self.get(site.url()).status == 200
            return False

        wait_until(served, "served again", PROMPT)

    def test_strangers_have_half_by_default_and_ipv6_counts_by_64_bits(self):
        """Who the client is says a PROXY header; one that comes without an address is whoever sent it."""
        site = self.site(lambda asked: response("ok"))
        self.start("--proxy-protocol-from", "127.0.0.1", "--open", "--allow-address", "127.0.0.0/8",
                   "--max-connections", "4")

        def come(source: str) -> Wire:
            family = "TCP6" if ":" in source else "TCP4"
            client = self.client()
            client.send(f"PROXY {family} {source} {source} 1 2\r\n".encode() + request("GET", site.url()))
            return client

        for one, same, other in (("203.0.113.1", "203.0.113.1", "203.0.113.2"),
                                 ("2001:db8::1", "2001:db8:0:0:ffff::9", "2001:db8:0:1::1")):
            with contextlib.ExitStack() as over:
                for source in (one, one):
                    self.assertEqual(over.enter_context(come(source)).read_response().status, 200)
                self.assertEqual(over.enter_context(come(same)).read_response().status, 429)
                self.assertEqual(over.enter_context(come(other)).read_response().status, 200)
            wait_until(lambda: self.proxy.socket_count() <= self.proxy.sockets_at_start + 2, "all have left", PROMPT)
        with contextlib.ExitStack() as over:
            for _ in range(4):  # this machine itself
                client = over.enter_context(self.client())
                client.send(b"PROXY UNKNOWN\r\n" + request("GET", site.url()))
                self.assertEqual(client.read_response().status, 200)

    def test_exact_over_all_loops_whatever_ends_the_connections(self):
        self.start("--max-connections-per-client", "5", threads=4)
        for _ in range(20):
            clients = [self.client() for _ in range(5)]
            for number, client in enumerate(clients):
                client.send(b"GET http://127.0.0.1/ HT"[:number * 5])
                client.reset() if number % 2 else client.close()
        origin = self.origin(echo)

        def all_five() -> bool:
            tunnels = [self.client() for _ in range(5)]
            for client in tunnels:
                client.send(request("CONNECT", origin.authority))
            statuses = [client.read_response("CONNECT").status for client in tunnels]
            if statuses == [200] * 5:
                with self.client() as client:
                    client.send(request("GET", origin.url()))
                    self.assertEqual(client.read_response().status, 429)
            for client in tunnels:
                client.close()
            return statuses == [200] * 5

        wait_until(all_five, "five places are free", TIMEOUT)


class Users(LimitsTest):
    def start_with_users(self, *options: str) -> Proxy:
        users = self.folder() / "users"
        users.write_text(ALICE)
        return self.start("--users", str(users), "--connect-ports", "1-65535", *options)

    def ask_as_alice(self, client: Wire, url: str) -> int:
        client.send(request("GET", url, fields=[basic("alice", "secret")]))
        return client.read_response().status

    def test_connections_count_while_something_is_under_way(self):
        self.start_with_users("--max-connections-per-user", "2")
        origin, site = self.origin(echo), self.site(lambda asked: response("ok"))
        kept = [self.client() for _ in range(4)]
        for client in kept:  # idle ones are nobody's
            self.assertEqual(self.ask_as_alice(client, site.url()), 200)
        tunnels = [self.client(), self.client()]

        def stands(client: Wire) -> bool:  # a request's place is free a moment after its answer has come
            client.send(request("CONNECT", origin.authority, fields=[basic("alice", "secret")]))
            return client.read_response("CONNECT").status == 200

        for client in tunnels:
            wait_until(lambda client=client: stands(client), "a tunnel stands", PROMPT)
        kept[0].send(request("GET", site.url(), fields=[basic("alice", "secret")]))
        self.assert_denied(kept[0].read_response(), "connections per user")
        self.assertEqual(self.records("limit: connections per user")[0]["user"], "alice")
        with self.client() as client:
            client.send(b"\5\1\2")
            self.assertEqual(client.read_exactly(2), b"\5\2")
            client.send(b"\1\5alice\6secret")
            self.assertEqual(client.read_exactly(2), b"\1\0")
            client.send(request5("127.0.0.1", origin.port))
            self.assertEqual(read_reply5(client)[0], FAILED)
        tunnels.pop().close()
        wait_until(lambda: self.ask_as_alice(kept[0], site.url()) == 200, "a place is free again", PROMPT)

    def test_requests_that_the_rules_deny_count(self):
        self.start_with_users("--requests-per-second-per-user", "1:3", "--deny", "denied.test")
        with self.client() as client:
            got = [self.ask_as_alice(client, "http://denied.test/") for _ in range(4)]
            self.assertEqual(got, [403, 403, 403, 429])

    def test_requests(self):
        self.start_with_users("--requests-per-second-per-user", "1:2")
        site = self.site(lambda asked: response("ok"))
        with self.client() as client:
            self.assertEqual([self.ask_as_alice(client, site.url()) for _ in range(4)].count(429), 2)
            client.send(request("GET", site.url(), fields=[basic("alice", "secret")]))
            self.assert_denied(client.read_response(), "requests per user")


class Requests(LimitsTest):
    def test_above_the_rate_a_client_is_told_when_to_come_again(self):
        self.start("--requests-per-second-per-client", "1:3")
        site = self.site(lambda asked: response("ok"))
        with self.client() as client:
            statuses = []
            for _ in range(5):
                client.send(request("GET", site.url()))
                answer = client.read_response()
                statuses.append(answer.status)
            self.assertEqual(statuses[:3], [200] * 3)
            self.assert_denied(answer, "requests per client")
            wait_quietly(int(answer.get("Retry-After")) + 0.1)
            client.send(request("GET", site.url()))
            self.assertEqual(client.read_response().status, 200, "on the same connection")
        with self.client() as again:  # a new connection is no new client
            again.send(request("GET", site.url()))
            self.assertEqual(again.read_response().status, 429)
        with self.client_from("127.0.0.2") as other:
            other.send(request("GET", site.url()))
            self.assertEqual(other.read_response().status, 200)

    def test_the_proxys_own_pages_and_tunnels_count_too(self):
        self.start("--requests-per-second-per-client", "1:1")
        self.ask(b"GET /proxy.pac HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        self.assert_denied(self.ask(request("CONNECT", "127.0.0.1:1"), "CONNECT"), "requests per client")

    def test_socks_is_not_allowed(self):
        self.start("--requests-per-second-per-client", "1:1")
        origin = self.origin(echo)
        with self.tunnel5("127.0.0.1", origin.port, b"x") as client:
            self.assertEqual(client.read_exactly(1), b"x")
            self.assertEqual(self.refusal5(request5("127.0.0.1", origin.port)), NOT_ALLOWED)

    def test_the_metrics_count_by_limit(self):
        self.start("--requests-per-second-per-client", "1:1", "--admin", "127.0.0.1:0")
        admin = self.proxy.wait_for_log(r"admin on (\S+):(\d+)")
        self.ask(request("GET", "http://127.0.0.1:1/"))
        for _ in range(3):
            self.ask(request("GET", "http://127.0.0.1:1/"))
        with Wire.connect(admin[1], int(admin[2])) as reader:
            reader.send(request("GET", "/metrics", host="localhost"))
            text = reader.read_response().body.decode()
        self.assertIn('co_http_proxy_limited_total{limit="requests_per_client"} 3\n', text)
        self.assertIn('co_http_proxy_refusals_total{reason="rate"} 3\n', text)
        lines = [line for line in self.proxy.log_text().splitlines() if "limit: requests per client" in line]
        self.assertLess(len(lines), 3, "a flood of denials is no flood of lines")


class Times(LimitsTest):
    def test_a_request_that_is_not_answered_in_time(self):
        self.start("--request-timeout-ms", "500")
        origin = self.origin(hold)
        started = time.monotonic()
        self.assert_own_answer(self.get(origin.url()), 504)
        self.assertLess(time.monotonic() - started, PROMPT)
        found = wait_until(lambda: self.records("limit: request time"), "the record names it", PROMPT)
        self.assertEqual(found[0]["status"], 504)
        origin.wait_until_free()

    def test_an_answer_that_never_ends(self):
        def trickle(wire: Wire) -> None:
            wire.read_head()
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            with contextlib.suppress(OSError):
                while True:
                    wire.send(b"x")
                    wait_quietly(0.05)

        self.start("--request-timeout-ms", "500")
        with self.client() as client:
            client.send(request("GET", self.origin(trickle).url()))
            self.assertIn(client.drained(), ("reset",))
        found = wait_until(lambda: self.records("limit: request time"), "the record names it", PROMPT)
        self.assertEqual(found[0]["end_down"], "limit")

    def test_in_time_nothing_is_noticed_on_a_kept_connection(self):
        self.start("--request-timeout-ms", "500")
        site = self.site(lambda asked: response("ok"))
        with self.client() as client:
            for _ in range(3):
                client.send(request("GET", site.url()))
                self.assertEqual(client.read_response().body, b"ok")
                wait_quietly(0.3)
        self.assertEqual(self.records("limit: request time"), [])

    def test_a_tunnel_has_its_time_and_ends_by_reset(self):
        self.start("--tunnel-timeout-ms", "700")
        origin = self.origin(echo)
        for tunnel in (self.tunnel(origin.authority), self.tunnel5("127.0.0.1", origin.port)):
            ended = ""
            for _ in range(100):
                try:
                    tunnel.send(b"x")
                    ended = "" if tunnel.read_some() else "eof"
                except OSError:
                    ended = "reset"
                if ended:
                    break
                wait_quietly(0.05)
            self.assertEqual(ended, "reset", "traffic does not make it live longer")
        found = wait_until(lambda: len(self.records("limit: tunnel time")) == 2 and
                           self.records("limit: tunnel time"), "records name it", PROMPT)
        self.assertEqual([(one["end_up"], one["end_down"]) for one in found], [("limit", "limit")] * 2)


class Heads(LimitsTest):
    def test_sizes_that_were_chosen(self):
        self.start("--max-header-bytes", "2000", "--max-header-fields", "5", "--max-uri-bytes", "300")
        site = self.site(lambda asked: response("ok"))
        many = [(f"X{number}", "y") for number in range(5)]
        for status, data in ((200, request("GET", site.url("/" + "x" * 200))),
                             (414, request("GET", site.url("/" + "x" * 280))),
                             (414, request("GET", site.url("/" + "x" * 1000))),
                             (431, request("GET", site.url(), fields=[("X", "y" * 2000)])),
                             (200, request("GET", site.url(), fields=many[:3])),
                             (431, request("GET", site.url(), fields=many))):
            self.assertEqual(self.ask(data).status, status, data[:60])

    def test_more_than_usual(self):
        self.start("--max-header-bytes", "200000", "--max-header-fields", "1000", "--max-uri-bytes", "100000")
        site = self.site(lambda asked: response("ok"))
        self.assertEqual(self.ask(request("GET", site.url("/" + "x" * 90000))).status, 200)
        fields = [(f"X{number}", "y" * 100) for number in range(900)]
        self.assertEqual(self.ask(request("GET", site.url(), fields=fields)).status, 200)


class Reload(LimitsTest):
    def test_plain_numbers_change_for_what_begins_from_then_on(self):
        file = self.folder() / "proxy.toml"
        file.write_text("[limits]\nconnections_per_client = 1\n")
        self.start("--config", str(file))
        origin, site = self.origin(echo), self.site(lambda asked: response("ok"))
        with self.tunnel(origin.authority) as tunnel:
            self.assertEqual(self.get(site.url()).status, 429)
            file.write_text("[limits]\nconnections_per_client = 2\nuri_bytes = 256\nheader_timeout = \"300ms\"\n")
            self.proxy.signal(signal.SIGHUP)
            self.proxy.wait_for_log("reloaded: rules, users, limits and certificates")
            wait_until(lambda: self.get(site.url()).status == 200, "two are allowed", PROMPT)
            self.assertEqual(self.get(site.url("/" + "x" * 300)).status, 414)
            with self.client() as slow:
                slow.send(b"GET ")
                self.assertEqual(slow.read_response().status, 408)
            tunnel.send(b"x")
            self.assertEqual(tunnel.read_exactly(1), b"x")

    def test_a_wrong_number_changes_nothing(self):
        file = self.folder() / "proxy.toml"
        file.write_text("[limits]\nconnections_per_client = 1\n")
        self.start("--config", str(file))
        file.write_text("[limits]\nconnections_per_client = -1\n")
        self.proxy.signal(signal.SIGHUP)
        self.proxy.wait_for_log("not reloaded")
        with self.tunnel(self.origin(echo).authority):
            self.assertEqual(self.ask(request("GET", "http://127.0.0.1:1/")).status, 429)


if __name__ == "__main__":
    unittest.main()
