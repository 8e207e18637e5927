"""Who may go where: sandbox, rules, addresses after resolution, own listeners, users."""
import base64
import contextlib
import socket
import unittest

from harness import Proxy, ProxyTest, run_program
from name_server import NameServer
from origins import echo
from wire import request, response, wait_quietly

ALICE = "alice:$2y$04$1uzmdfytfitHV62bzxuI3OR.aL0TrxN7cfFUqVmZb4juSszPjYxOq\n"  # secret
CAROL = "carol:$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA\n"  # secret
ANY_PORT = ("--connect-ports", "1-65535")
LOCAL = ("--allow-address", "127.0.0.0/8")


def basic(user: str, password: str) -> tuple[str, str]:
    return "Proxy-Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class PolicyTest(ProxyTest):
    def setUp(self) -> None:
        pass

    def connect(self, authority: str, proxy: Proxy, fields=()) -> int:
        """The status of the answer to a CONNECT."""
        with self.client(proxy) as client:
            client.send(request("CONNECT", authority, fields=fields))
            return client.read_response("CONNECT").status

    def assert_denied(self, answer, rule: str, proxy: Proxy) -> None:
        self.assert_own_answer(answer, 403)
        self.assertIn(rule.encode(), answer.body)
        proxy.wait_for_log("denied by rule .*" + rule.replace("(", r"\(").replace(")", r"\)").replace("*", r"\*"))


class Sandbox(PolicyTest):
    def test_only_what_is_allowed_and_the_page_and_the_log_name_the_rule(self):
        site = self.site(lambda asked: response("ok"))
        with NameServer(good=[["127.0.0.1"]], other=[["127.0.0.1"]]) as names:
            proxy = self.start_proxy("--sandbox", "--allow", "good.test.example", *LOCAL,
                                     "--dns-servers", names.address)
            self.assertEqual(self.get(f"http://good.test.example:{site.port}/", proxy).body, b"ok")
            self.assertEqual(self.get(f"http://GOOD.Test.example.:{site.port}/", proxy).body, b"ok")
            answer = self.get(f"http://other.test.example:{site.port}/", proxy)
            self.assert_denied(answer, 'default of policy "command line" (command line)', proxy)
            for host in ("sub.good.test.example", "good.test.example.evil.example", "xgood.test.example"):
                self.assertEqual(self.get(f"http://{host}:{site.port}/", proxy).status, 403, host)
            self.assertEqual(self.get(site.url(), proxy).status, 403, "a numeric host has no name")
            self.assertEqual(names.asked["other.test.example"], 0, "what is denied is not resolved")

    def test_a_suffix_and_a_denial_before_it(self):
        site = self.site(lambda asked: response("ok"))
        with NameServer(a=[["127.0.0.1"]], b=[["127.0.0.1"]]) as names:
            proxy = self.start_proxy("--sandbox", "--allow", "*.test.example", "--deny", "b.test.example",
                                     "--dns-servers", names.address, *LOCAL)
            self.assertEqual(self.get(f"http://a.test.example:{site.port}/", proxy).body, b"ok")
            answer = self.get(f"http://b.test.example:{site.port}/", proxy)
            self.assert_denied(answer, "--deny b.test.example (command line)", proxy)

    def test_the_guard_refuses_what_is_not_global_after_resolution(self):
        site = self.site(lambda asked: response("ok"))
        with NameServer(inner=[["127.0.0.1"]], meta=[["169.254.169.254"]], net=[["10.0.0.1", "192.168.0.1"]]) as names:
            proxy = self.start_proxy("--sandbox", "--allow", "*.test.example", "--allow", "localhost",
                                     "--dns-servers", names.address)
            for host in ("inner.test.example", "meta.test.example", "net.test.example", "localhost"):
                answer = self.get(f"http://{host}:{site.port}/", proxy)
                self.assert_denied(answer, "address guard (built in)", proxy)
                self.assertEqual(self.connect(f"{host}:443", proxy), 403)
        self.assertEqual(site.accepted, 0)

    def test_tunnels_lead_to_web_ports_only(self):
        origin = self.origin(echo)
        proxy = self.start_proxy("--sandbox", "--allow", "127.0.0.1", *LOCAL)
        self.assertEqual(self.connect(origin.authority, proxy), 403)
        for port in (22, 25, 442, 444, 79, 81, 65535):
            self.assertEqual(self.connect(f"127.0.0.1:{port}", proxy), 403, port)
        for port in ("0", "65536", str(65536 + 443), "0x50", "-443", "443443", "443 ", ""):
            self.assertEqual(self.connect(f"127.0.0.1:{port}", proxy), 400, port)
        opened = self.start_proxy("--sandbox", "--allow", "127.0.0.1", "--connect-ports", f"443,{origin.port}", *LOCAL)
        with self.tunnel(origin.authority, b"x", opened) as client:
            self.assertEqual(client.read_exactly(1), b"x")

    def test_odd_spellings_of_hosts_get_nowhere(self):
        site = self.site(lambda asked: response("ok"))
        proxy = self.start_proxy("--sandbox", "--allow", "*")
        for host in ("0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "127.1", "127.0.0.1.", "user@127.0.0.1",
                     "[::1%25lo]", "[fe80::1%eth0]", "b\xfccher.example", "a..b"):
            text = f"GET http://{host}:{site.port}/ HTTP/1.1\r\nHost: a\r\n\r\n"
            self.assertEqual(self.ask(text.encode("latin-1"), proxy=proxy).status, 400, host)
        for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::1]", "[::]", "0.0.0.0", "[::127.0.0.1]",
                     "[64:ff9b::7f00:1]", "[2002:7f00:1::]"):
            self.assertEqual(self.get(f"http://{host}:{site.port}/", proxy).status, 403, host)
        self.assertEqual(site.accepted, 0)

    def test_report_mode_serves_and_says_what_it_would_deny(self):
        site = self.site(lambda asked: response("ok"))
        proxy = self.start_proxy("--sandbox", "--allow", "github.com", "--report")
        self.assertEqual(self.get(site.url(), proxy).body, b"ok")
        proxy.wait_for_log('would be denied by rule default of policy "command line"')

    def test_clients_by_address(self):
        site = self.site(lambda asked: response("ok"))
        proxy = self.start_proxy("--allow-client", "127.0.0.1")
        self.assertEqual(self.get(site.url(), proxy).body, b"ok")
        other = self.start_proxy("--allow-client", "127.0.0.2")
        self.assertEqual(self.get(site.url(), other).status, 403)

    def test_everything_on_one_line_as_the_recipe_has_it(self):
        proxy = self.start_proxy("--sandbox", "--allow", "github.com", "--allow", "*.debian.org")
        done = self.run_curl("-o", "/dev/null", "-w", "%{http_connect}", "https://gitlab.com/", proxy=proxy)
        self.assertEqual(done.stdout, b"403")
        proxy.wait_for_log(r"CONNECT gitlab\.com:443 denied by rule default")


class Rebinding(PolicyTest):
    def twins(self):
        """An origin on 127.0.0.2, and a listener on the same port of 127.0.0.1 that nobody may reach."""
        for _ in range(50):
            good = self.origin(echo, host="127.0.0.2")
            evil = self.enterContext(socket.socket())
            with contextlib.suppress(OSError):
                evil.bind(("127.0.0.1", good.port))
                evil.listen()
                evil.setblocking(False)
                return good, evil
        self.fail("no port is free on both addresses")

    def proxy_for(self, names: NameServer) -> Proxy:
        return self.start_proxy("--sandbox", "--allow", "*.test.example", "--allow-address", "127.0.0.2", *ANY_PORT,
                                "--dns-servers", names.address)

    def assert_never_reached(self, evil: socket.socket) -> None:
        with self.assertRaises(BlockingIOError):
            evil.accept()

    def test_a_name_that_changes_its_mind_gets_nothing(self):
        good, evil = self.twins()
        with NameServer(name=[["127.0.0.2"], ["127.0.0.1"]]) as names:
            proxy = self.proxy_for(names)
            with self.tunnel(f"name.test.example:{good.port}", b"x", proxy) as client:
                self.assertEqual(client.read_exactly(1), b"x")
            self.assertEqual(names.asked["name.test.example"], 1, "what was checked is dialled: nobody asks twice")
            wait_quietly(1.1)  # the answer is kept for a second, whatever its TTL
            self.assertEqual(self.connect(f"name.test.example:{good.port}", proxy), 403)
            self.assertEqual(names.asked["name.test.example"], 2)
            proxy.wait_for_log(r"address guard \(built in\): 127\.0\.0\.1 is in 127\.0\.0\.0/8")
            # the end of the tunnel, and not the answer, is what the rest waits for
            self.assert_never_reached(evil)

    def test_each_candidate_is_checked(self):
        good, evil = self.twins()
        with NameServer(name=[["127.0.0.1", "127.0.0.2", "10.0.0.1"]]) as names:
            proxy = self.proxy_for(names)
            for _ in range(5):
                with self.tunnel(f"name.test.example:{good.port}", b"x", proxy) as client:
                    self.assertEqual(client.read_exactly(1), b"x")
            self.assert_never_reached(evil)
            self.assertNotIn("denied", proxy.log_text(), "nobody was")

    def test_a_kept_connection_is_not_for_whoever_may_not_reach_its_address(self):
        """Two policies in one process; one client's connection to the origin waits for its next use."""
        site = self.site(lambda asked: response("inner"))
        with NameServer(name=[["127.0.0.1"]]) as names:
            file = self.folder() / "proxy.toml"
            file.write_text(f"""
                dns.servers = ["{names.address}"]
                listeners = [{{port = 0, policy = "inner"}}, {{port = 0, policy = "outer"}}]
                policies = [{{name = "inner"}}, {{name = "outer", guard = true}}]
                """)
            proxy = self.start_proxy("--config", str(file), port=None, threads=1)
            second = int(proxy.wait_for_log(rf"listening on 127\.0\.0\.1:(?!{proxy.port} )(\d+)")[1])
            url = f"http://name.test.example:{site.port}/"
            self.assertEqual(self.get(url, proxy).body, b"inner")
            first, proxy.port = proxy.port, second
            self.assertEqual(self.get(url, proxy).status, 403)
            proxy.port = first
            self.assertEqual(self.get(url, proxy).body, b"inner")


class OwnAddresses(PolicyTest):
    def test_a_loop_to_the_own_listener_is_refused(self):
        proxy = self.start_proxy()
        for host in ("127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]", "localhost"):
            with self.subTest(host):
                answer = self.get(f"http://{host}:{proxy.port}/", proxy)
                self.assertIn(answer.status, (403, 502))  # localhost is ::1, too, where nobody listens
                self.assertNotIn(b"508", answer.body)
        self.assert_denied(self.get(f"http://127.0.0.1:{proxy.port}/", proxy), "own address (built in)", proxy)
        self.assertEqual(self.connect(f"127.0.0.1:{proxy.port}", proxy), 403)

    def test_a_listener_on_all_addresses_is_on_each(self):
        proxy = self.start_proxy("--host", "0.0.0.0", "--open", *LOCAL, *ANY_PORT)
        for host in ("127.0.0.1", "127.0.0.2", "127.1.2.3", "0.0.0.0"):
            self.assertEqual(self.connect(f"{host}:{proxy.port}", proxy), 403, host)
        proxy.wait_for_log(r"127\.1\.2\.3:\d+ denied by rule own address")

    def test_report_mode_does_not_open_it(self):
        proxy = self.start_proxy("--report")
        self.assertEqual(self.connect(f"127.0.0.1:{proxy.port}", proxy), 403)


class Users(PolicyTest):
    def with_users(self, text: str = ALICE + CAROL, *options: str) -> Proxy:
        file = self.folder() / "users"
        file.write_text(text)
        return self.start_proxy("--users", str(file), *options)

    def test_curl_is_asked_and_let_in(self):
        site, proxy = self.site(lambda asked: response("ok")), self.with_users(ALICE + CAROL, *ANY_PORT)
        for user in ("alice:secret", "carol:secret"):
            self.assertEqual(self.curl("-U", user, site.url(), proxy=proxy), b"ok")
            self.assertEqual(self.curl("--proxy-anyauth", "-U", user, site.url(), proxy=proxy), b"ok")
            self.assertEqual(self.curl("-p", "-U", user, site.url(), proxy=proxy), b"ok")
        done = self.run_curl("-w", "%{http_code}", "-o", "/dev/null", site.url(), proxy=proxy)
        self.assertEqual(done.stdout, b"407")
        for user in ("alice:wrong", "mallory:secret", "alice:", ":secret", "Alice:secret"):
            done = self.run_curl("-w", "%{http_code}", "-o", "/dev/null", "-U", user, site.url(), proxy=proxy)
            self.assertEqual(done.stdout, b"407", user)
        for asked in site.requests:
            self.assertEqual(asked.all("Proxy-Authorization"), [], "it is not the origin's")
        self.assertNotIn("secret", proxy.log_text())

    def test_on_one_connection_the_answer_comes_and_then_the_right_request(self):
        site, proxy = self.site(lambda asked: response("ok")), self.with_users()
        with self.client(proxy) as client:
            for fields, status in (((), 407), ([basic("alice", "wrong")], 407), ([basic("alice", "secret")], 200),
                                   ((), 407), ([basic("carol", "secret")], 200)):
                client.send(request("GET", site.url(), fields=fields))
                answer = client.read_response()
                self.assertEqual(answer.status, status)
                if status == 407:
                    self.assertRegex(answer.get("Proxy-Authenticate") or "", r'^Basic realm="')
        self.assertEqual(len(site.requests), 2)

    def test_tunnels(self):
        origin, proxy = self.origin(echo), self.with_users(ALICE, *ANY_PORT)
        self.assertEqual(self.connect(origin.authority, proxy), 407)
        self.assertEqual(self.connect(origin.authority, proxy, [basic("alice", "secret")]), 200)
        self.assertEqual(self.connect(origin.authority, proxy, [basic("alice", "secre")]), 407)

    def test_broken_credentials(self):
        site, proxy = self.site(lambda asked: response("ok")), self.with_users()
        good = basic("alice", "secret")
        for value in ("", "Basic", "Basic x", "Bearer abc", good[1][:-1] + "!", good[1] + "=", "Digest " + good[1],
                      "Basic " + "A" * 4000):
            answer = self.ask(request("GET", site.url(), fields=[(good[0], value)]), proxy=proxy)
            self.assertEqual(answer.status, 407, value)
        self.assertEqual(self.ask(request("GET", site.url(), fields=[good, good]), proxy=proxy).status, 407)
        self.assertEqual(site.requests, [])

    def test_a_request_that_brings_a_body_without_credentials(self):
        site, proxy = self.site(lambda asked: response("ok")), self.with_users()
        answer = self.ask(request("POST", site.url(), body=b"x" * 100_000), "POST", proxy)
        self.assertEqual(answer.status, 407)
        self.assertEqual(site.accepted, 0)

    def test_many_at_once_while_others_are_served(self):
        site, proxy = self.site(lambda asked: response("ok")), self.with_users()
        clients = [self.client(proxy) for _ in range(40)]
        for number, client in enumerate(clients):
            client.send(request("GET", site.url(), fields=[basic("carol", "secret" if number % 2 else "wrong")]))
        for client in clients[:10]:
            client.close()  # while their passwords are checked
        for number, client in list(enumerate(clients))[10:]:
            self.assertEqual(client.read_response().status, 200 if number % 2 else 407)

    def test_rules_that_would_serve_everybody_do_not_start(self):
        for options in (("--deny", "a.example"), ("--sandbox", "--report", "--allow", "a.example"),
                        ("--connect-ports", "443"), ("--allow-client", "10.0.0.0/8", "--report")):
            done = run_program("--host", "0.0.0.0", "--port", "0", *options)
            self.assertEqual(done.returncode, 2, options)
            self.assertIn("serve everybody", done.stderr)

    def test_users_let_others_in_safely(self):
        site = self.site(lambda asked: response("ok"))
        proxy = self.with_users(ALICE, "--host", "0.0.0.0", *LOCAL)
        self.assertEqual(self.get(site.url(), proxy).status, 407)
        self.assertEqual(self.curl("-U", "alice:secret", site.url(), proxy=proxy), b"ok")


if __name__ == "__main__":
    unittest.main()
