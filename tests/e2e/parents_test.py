"""Upstream parents: other proxies that requests go through, what they get to see, and where we come from."""
import contextlib
import select
import socket
import struct
import unittest

from harness import Proxy, run_program
from origins import echo, hold
from parents import BASIC, ParentsTest
from socks import NOT_ALLOWED, UDP_ASSOCIATE, as_name, read_reply5, request5
from wire import Wire, request, response


def relay(to: Proxy):
    """What is said over TLS goes to this proxy, and back."""
    def carry(wire: Wire) -> None:
        with socket.create_connection((to.host, to.port)) as plain:
            waiting = [wire.socket, plain]
            while waiting:
                ready = [wire.socket] if wire.socket.pending() else select.select(waiting, [], [])[0]
                if plain in ready:
                    data = plain.recv(1 << 16)
                    if not data:
                        with contextlib.suppress(ValueError):  # the test has ended already
                            wire.socket.unwrap()
                        return
                    wire.send(data)
                if wire.socket in ready:
                    data = wire.socket.recv(1 << 16)
                    if data:
                        plain.sendall(data)
                    else:
                        plain.shutdown(socket.SHUT_WR)
                        waiting.remove(wire.socket)

    return carry


class Kinds(ParentsTest):
    """Through a second proxy of ours, with credentials, as HTTP, with TLS around it, and as SOCKS."""

    def carried_by(self, scheme: str) -> None:
        parent = front = self.parent_with_users()
        address = parent.address
        if scheme == "https":
            front = self.origin(relay(parent), tls=self.authority().server())
            address = front.authority
        proxy = self.through(f"{scheme}://alice:secret@{address}", options=("--verbose",),
                             variables={"SSL_CERT_FILE": str(self.authority().certificate)})
        site = self.site(lambda asked: response(asked.body or b"ok"))
        self.assertEqual(self.get(site.url("/a?b")).body, b"ok")
        body = b"x" * 100_000
        theirs = [("Proxy-Authorization", "Basic b3RoZXI6")]
        posted = self.ask(request("POST", site.url("/up"), body=body, fields=theirs))
        self.assertEqual(posted.body, body)
        first, second = site.requests
        self.assertEqual((first.target, second.target), ("/a?b", "/up"))
        self.assertIsNone(second.get("Proxy-Authorization"))
        vias = 1 if scheme == "socks5" else 2  # a tunnel has no Via
        self.assertEqual(len(", ".join(first.all("Via")).split(",")), vias)
        target = self.origin(echo)
        with self.tunnel(target.authority, b"early") as client:
            self.assertEqual(client.read_exactly(5), b"early")
            client.send(b"later")
            client.half_close()
            self.assertEqual(client.read_to_end(), b"later")
        with self.tunnel5("127.0.0.1", target.port, b"early") as client:
            self.assertEqual(client.read_exactly(5), b"early")
        with self.tunnel4("localhost", target.port, b"early") as client:
            self.assertEqual(client.read_exactly(5), b"early")
        for record in self.records(5):
            self.assertEqual((record["upstream"], record["via"]), (address, "command-line/parent1"), record)
        self.assertNotIn("secret", proxy.log_text())
        self.assertNotIn(BASIC[6:], proxy.log_text())

    def test_http(self):
        self.carried_by("http")

    def test_https(self):
        self.carried_by("https")

    def test_socks(self):
        self.carried_by("socks5")

    def test_upgrades_pass(self):
        def upgrade(wire: Wire) -> None:
            asked = wire.read_request()
            assert asked.get("Upgrade") == "thing", asked.fields
            wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: thing\r\n\r\nhello")
            echo(wire)

        parent = self.start_proxy()
        origin = self.origin(upgrade)
        for scheme in ("http", "socks5"):
            with self.subTest(scheme):
                self.through(f"{scheme}://{parent.address}")
                with self.client() as client:
                    client.send(request("GET", origin.url(), fields=[("Connection", "Upgrade"), ("Upgrade", "thing")]))
                    self.assertEqual(client.read_head().status, 101)
                    self.assertEqual(client.read_exactly(5), b"hello")
                    client.send(b"back")
                    self.assertEqual(client.read_exactly(4), b"back")

    def test_requests_share_the_connections_of_an_http_parent(self):
        sites = [self.site(lambda asked: response("ok")) for _ in range(2)]
        asked_for = []

        def forward(asked):
            asked_for.append(asked.target)
            return response("from the parent")

        parent = self.site(forward)
        self.through(f"http://{parent.authority}", threads=1)
        for each in sites * 2:
            self.assertEqual(self.get(each.url("/x")).body, b"from the parent")
        self.assertEqual(asked_for, [each.url("/x") for each in sites * 2], "in absolute form")
        # the checks connect, too, and say nothing
        self.assertEqual(len({id(each) for each in parent.requests}), 4)
        self.assertEqual([each["pooled"] for each in self.records(4)], [False, True, True, True])
        self.assertEqual([each.accepted for each in sites], [0, 0])

    def test_a_tunnel_to_a_socks_parent_is_kept_for_its_own_origin(self):
        parent = self.start_proxy()
        sites = [self.site(lambda asked: response("ok")) for _ in range(2)]
        self.through(f"socks5://{parent.address}", threads=1)
        for each in sites * 2:
            self.assertEqual(self.get(each.url()).body, b"ok")
        self.assertEqual([each.accepted for each in sites], [1, 1])

    def test_an_ipv6_parent_and_destination(self):
        parent = self.start_proxy("--host", "::1")
        self.through(f"http://{parent.address}", f"socks5://{parent.address}")
        origin = self.origin(echo, host="::1")
        with self.tunnel(origin.authority, b"x") as client:
            self.assertEqual(client.read_exactly(1), b"x")

    def test_datagrams_do_not_go_through_parents(self):
        parent = self.start_proxy()
        self.through(f"socks5://{parent.address}")
        with self.greeted() as client:
            client.send(request5("0.0.0.0", 0, UDP_ASSOCIATE))
            self.assertEqual(read_reply5(client)[0], NOT_ALLOWED)
        self.assertIn("datagrams do not go through parents", self.records(1)[0]["detail"])

    def test_it_is_never_its_own_parent(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        folder = self.folder()
        (folder / "proxy.toml").write_text(f'via = "me"\n[[parents]]\nname = "me"\nurl = "http://127.0.0.1:{port}"\n'
                                           f'[[listeners]]\nport = {port}\n')
        self.proxy = self.start_proxy("--config", str(folder / "proxy.toml"), port=None)
        site = self.site(lambda asked: response("ok"))
        answer = self.get(site.url())
        self.assertIn(answer.status, (502, 503))  # the check may have found it first
        self.assertEqual(site.accepted, 0)
        self.proxy.wait_for_log("parent me .* is down: .*is this proxy itself")


class Guard(ParentsTest):
    """What the parent gets to see, and what it does not."""

    GUARDED = '[[policies]]\nname = "default"\nguard = true\nvia = "it"\nconnect_ports = ["1-65535"]\n'

    def recording(self, kind: str):
        seen = []

        def http(wire: Wire) -> None:
            if (asked := wire.read_request()) is not None:
                seen.append(asked.target)
                wire.send("HTTP/1.1 200 OK\r\n\r\n" if asked.method == "CONNECT" else response("from the parent"))
                while wire.read_some():
                    if asked.method == "CONNECT":
                        wire.send(response("through the tunnel"))

        def socks(wire: Wire) -> None:
            wire.read_exactly(3)
            wire.send(b"\5\0")
            kind_of_address = wire.read_exactly(4)[3]
            size = 4 if kind_of_address == 1 else wire.read_exactly(1)[0]
            host = wire.read_exactly(size)
            port, = struct.unpack("!H", wire.read_exactly(2))
            seen.append(f"{socket.inet_ntoa(host) if kind_of_address == 1 else host.decode()}:{port}")
            wire.send(b"\5\0\0\1\0\0\0\0\0\0")
            hold(wire)

        return self.origin(http if kind == "http" else socks), seen

    def asked_for(self, kind: str, policy: str, resolve: str, target: str) -> list[str]:
        parent, seen = self.recording(kind)
        self.start(f'[[parents]]\nname = "it"\nurl = "{kind}://{parent.authority}"\n{resolve}\n'
                   f'check = "none"\n{policy}')
        with self.client() as client:
            client.send(request("CONNECT", target))
            self.status = client.read_response("CONNECT").status
        return seen

    def test_who_resolves(self):
        open_policy = '[[policies]]\nname = "default"\nvia = "it"\nconnect_ports = ["1-65535"]\nguard = false\n'
        allowing = self.GUARDED + 'allow_addresses = ["192.0.2.0/24"]\n'
        for kind in ("http", "socks5"):
            for policy, resolve, expected in ((open_policy, "", "far.test:443"),
                                              (open_policy, 'resolve = "here"', "192.0.2.80:443"),
                                              (open_policy, 'resolve = "parent"', "far.test:443"),
                                              (allowing, "", "192.0.2.80:443"),
                                              (allowing, 'resolve = "parent"', "far.test:443")):
                with self.subTest(kind=kind, policy=policy, resolve=resolve):
                    self.assertEqual(self.asked_for(kind, policy, resolve, "far.test:443"), [expected])
                    self.assertEqual(self.status, 200)

    def test_a_name_does_not_lead_inside(self):
        for target in ("site.test:443", "127.0.0.1:443", "far.test:443"):
            with self.subTest(target):
                self.assertEqual(self.asked_for("http", self.GUARDED, "", target), [])
                self.assertEqual(self.status, 403)
                self.assertIn("address guard", self.records(1)[-1]["rule"])

    def test_a_numeric_one_is_always_checked(self):
        self.assertEqual(self.asked_for("http", self.GUARDED, 'resolve = "parent"', "127.0.0.1:443"), [])
        self.assertEqual(self.status, 403)

    def test_socks_clients_obey(self):
        parent, seen = self.recording("http")
        self.start(f'[[parents]]\nname = "it"\nurl = "http://{parent.authority}"\ncheck = "none"\n{self.GUARDED}')
        for host in ("site.test", "127.0.0.1"):
            with self.greeted() as client:
                client.send(b"\5\1\0" + as_name(host, 443))
                self.assertEqual(read_reply5(client)[0], NOT_ALLOWED)
        self.assertEqual(seen, [])

    def test_what_only_an_address_may_allow_is_not_left_to_the_parent(self):
        policy = ('[[policies]]\nname = "default"\ndefault = "deny"\nvia = "it"\nconnect_ports = ["1-65535"]\n'
                  '[[policies.rules]]\naction = "allow"\nto = ["192.0.2.0/24"]\n')
        self.assertEqual(self.asked_for("http", policy, "", "far.test:443"), ["192.0.2.80:443"])
        self.assertEqual(self.asked_for("http", policy, "", "site.test:443"), [])
        self.assertEqual(self.status, 403)
        self.assertEqual(self.asked_for("http", policy, 'resolve = "parent"', "far.test:443"), [])
        self.assertEqual(self.status, 403)

    def test_a_plain_request_whose_name_was_resolved_has_a_tunnel(self):
        """So that the parent gets the address, and the origin its name."""
        policy = self.GUARDED + 'allow_addresses = ["192.0.2.0/24"]\n'
        parent, seen = self.recording("http")
        self.start(f'[[parents]]\nname = "it"\nurl = "http://{parent.authority}"\ncheck = "none"\n{policy}')
        for _ in range(2):
            self.assertEqual(self.get("http://far.test/x").body, b"through the tunnel")
        self.assertEqual(seen, ["192.0.2.80:80"] * 2)
        self.assertEqual(self.get("http://192.0.2.80/x").body, b"from the parent")
        self.assertEqual(seen[2], "http://192.0.2.80/x")
        self.assertEqual(self.get("http://site.test/").status, 403)


class Egress(ParentsTest):
    def setUp(self) -> None:
        super().setUp()
        self.peers = []

        def note(wire: Wire) -> None:
            self.peers.append(wire.socket.getpeername()[0])
            echo(wire)

        self.target = self.origin(note)

    def come(self, proxy: Proxy | None = None) -> str:
        with self.tunnel(self.target.authority, b"x", proxy) as client:
            self.assertEqual(client.read_exactly(1), b"x")
        return self.peers[-1]

    def test_connections_come_from_it(self):
        self.start('egress = "127.0.0.2"')
        self.assertEqual(self.come(), "127.0.0.2")
        with self.tunnel5("127.0.0.1", self.target.port, b"x") as client:
            self.assertEqual(client.read_exactly(1), b"x")
        self.assertEqual(self.peers[-1], "127.0.0.2")
        self.assertIsNone(self.records(2)[0]["via"])

    def test_requests_keep_their_connection_and_their_address(self):
        seen = []

        def answer(wire: Wire) -> None:
            while wire.read_request() is not None:
                seen.append(wire.socket.getpeername()[0])
                wire.send(response())

        site = self.origin(answer)
        self.start('[[policies]]\nname = "default"\n[[policies.rules]]\naction = "allow"\nmethods = ["GET"]\n'
                   'egress = ["127.0.0.2"]\n[[policies.rules]]\naction = "allow"\nmethods = ["HEAD"]\n'
                   'egress = ["127.0.0.3", "::1"]\n', threads=1)
        for method in ("GET", "GET", "HEAD", "HEAD", "OPTIONS", "GET"):
            self.assertEqual(self.ask(request(method, site.url()), method).status, 200)
        self.assertEqual(seen, ["127.0.0.2"] * 2 + ["127.0.0.3"] * 2 + ["127.0.0.1", "127.0.0.2"])
        self.assertEqual(site.accepted, 3)

    def test_to_a_parent_as_well(self):
        parent = self.origin(lambda wire: (self.peers.append(wire.socket.getpeername()[0]), hold(wire)))
        self.start(f'egress = "127.0.0.2"\nvia = "it"\n[[parents]]\nname = "it"\nurl = "http://{parent.authority}"\n'
                   'check = "none"', "--connect-timeout-ms", "300")
        self.assertEqual(self.refused_connect("site.test:443").status, 504)
        self.assertEqual(self.peers, ["127.0.0.2"])

    def test_other_families_do_not_leave(self):
        origin = self.origin(echo, host="::1")
        self.start('egress = "127.0.0.2"')
        self.assertEqual(self.refused_connect(origin.authority).status, 502)
        self.assertEqual(origin.accepted, 0)

    def test_an_address_of_somebody_else(self):
        file = self.folder() / "proxy.toml"
        file.write_text('egress = "192.0.2.1"\n')
        done = run_program("--config", str(file), "--port", "0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("egress 192.0.2.1: no address of this machine", done.stderr)
        proxy = self.start('egress = "127.0.0.2"')
        self.file.write_text('egress = "192.0.2.1"\n')
        proxy.signal(1)
        proxy.wait_for_log("reload: egress 192.0.2.1: no address of this machine")
        self.assertEqual(self.come(), "127.0.0.2")


EVERY_MISTAKE = """via = "corpp"
egress = ["192.0.2.1", "192.0.2.2", "nowhere"]
[[parents]]
name = "corp"
url = "http://u:secret@h"
[[parents]]
name = "corp"
url = "ftp://u:secret@h:1"
ca_file = "missing.pem"
[[parents]]
name = "direct"
url = "socks5://h:1"
check = "connect"
weight = 0
[[parents]]
name = "a b"
url = "http://h:1"
check_target = "x:1"
user = "u:v"
password_file = "missing"
[[parents]]
url = "https://h:1"
[[parent_groups]]
name = "corp"
parents = ["corp", "corp", "nobody"]
balance = "best"
when_down = "perhaps"
[[policies]]
name = "default"
via = "nobody"
egress = 7
[[policies.rules]]
action = "deny"
via = "direct"
"""
MISTAKES = [(1, 'did you mean "corp"'), (2, "second address of this family"), (2, "is no address"),
            (5, "no host with a port"), (7, "has this name already"), (8, "no parent"), (9, "https://"),
            (11, "another name"),
            (13, "check_target"), (14, "1 to 1000"), (16, "letters, digits"), (18, 'check = "connect"'),
            (19, "no colon"), (20, "no such file"), (21, "has no name"), (24, "has this name already"),
            (25, "stands here twice"),
            (25, "no parent of this name"), (26, "round_robin"), (27, "direct"), (28, "no parent and no group"),
            (31, "egress"), (32, "has no way")]


class Configuration(ParentsTest):
    def test_every_mistake_is_explained(self):
        file = self.folder() / "proxy.toml"
        file.write_text(EVERY_MISTAKE)
        done = run_program("--check-config", "--config", str(file))
        self.assertEqual(done.returncode, 2)
        self.assertNotIn("secret", done.stderr)
        for line, text in MISTAKES:
            if not any(f".toml:{line}:" in each and text in each for each in done.stderr.splitlines()):
                self.fail(f"no line {line} with {text!r} in:\n{done.stderr}")

    def test_a_password_from_a_file(self):
        parent = self.parent_with_users()
        folder = self.folder()
        (folder / "password").write_text("secret\n")
        (folder / "proxy.toml").write_text(f'via = "it"\n[[parents]]\nname = "it"\nurl = "http://{parent.address}"\n'
                                           'user = "alice"\npassword_file = "password"\n')
        self.proxy = self.start_proxy("--config", str(folder / "proxy.toml"))
        self.proxy.sockets_at_start = self.proxy.tcp_states()["0A"]
        target = self.origin(echo)
        with self.tunnel(target.authority, b"x") as client:
            self.assertEqual(client.read_exactly(1), b"x")

    def test_wrong_credentials_are_ours_to_mend(self):
        parent = self.parent_with_users()
        for scheme in ("http", "socks5"):
            self.through(f"{scheme}://alice:wrong@{parent.address}")
            answer = self.refused_connect("site.test:443")
            self.assert_own_answer(answer, 502)
            self.assertIn(b"credentials", answer.body)
            self.assertNotIn(b"wrong", answer.body)

    def test_the_command_line(self):
        for url in ("nonsense", "http://u:secret@h", "socks5://u@h:1"):
            done = run_program("--port", "0", "--parent", url)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--parent (number 1): ", done.stderr)
            self.assertNotIn("secret", done.stderr)

    def test_explain_says_the_way(self):
        file = self.folder() / "proxy.toml"
        file.write_text('via = "all"\negress = "127.0.0.2"\n[[parents]]\nname = "one"\n'
                        'url = "http://u:secret@one.test:1"\n[[parents]]\nname = "two"\n'
                        'url = "socks5://two.test"\nresolve = "here"\n[[parent_groups]]\n'
                        'name = "all"\nparents = ["one", "two"]\n')
        done = run_program("explain", "https://x.test/", "--config", str(file))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"way +via all, from 127\.0\.0\.2\n +one, http://one\.test:1, which resolves the "
                                      r"name\n +two, socks5://two\.test:1080, which gets an address")
        self.assertNotIn("secret", done.stdout)

    def test_explain_says_what_is_lost_on_the_way(self):
        """A rule about addresses allows nothing when a parent resolves the names; the proxy says the same."""
        file = self.folder() / "proxy.toml"
        rules = ('via = "all"\n[[policies]]\nname = "default"\ndefault = "deny"\n[[policies.rules]]\naction = "allow"\n'
                 'to = ["10.0.0.0/8"]\n[[parents]]\nname = "one"\nurl = "http://127.0.0.1:1"\nresolve = "parent"\n'
                 '[[parents]]\nname = "two"\nurl = "http://127.0.0.1:2"\nresolve = "%s"\n[[parent_groups]]\n'
                 'name = "all"\nparents = ["one", "two"]\n')
        file.write_text(rules % "parent")
        for more in ((), ("--resolve",)):
            done = run_program("explain", "https://x.test/", "--config", str(file), *more)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertRegex(done.stdout, r"decision +denied by default of policy")
            self.assertRegex(done.stdout,
                             r"why +only an address could be allowed, and .* resolved by the parent: one, two")
        proxy = self.start_proxy("--config", str(file), "--host", "127.0.0.1", threads=1)
        answer = self.ask(request("CONNECT", "x.test:443"), "CONNECT", proxy)
        self.assertEqual(answer.status, 403)
        self.assertIn(b"only an address could be allowed, and parent one resolves the names", answer.body)
        self.assertEqual(run_program("explain", "https://10.0.0.1/", "--config", str(file)).returncode, 0)
        file.write_text(rules % "here")
        done = run_program("explain", "https://x.test/", "--config", str(file))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"one, \S+, which resolves the name: denied.*\n +two, \S+, which gets an address")
        # and the proxy asks the second one, whose address is judged
        proxy = self.start_proxy("--config", str(file), "--host", "127.0.0.1", threads=1)
        answer = self.ask(request("CONNECT", "localhost:443"), "CONNECT", proxy)
        self.assertEqual(answer.status, 403)
        self.assertNotIn(b"parent one", answer.body)
        file.write_text(rules % "parent" + 'when_down = "direct"\n')
        done = run_program("explain", "https://x.test/", "--config", str(file))
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, r"resolved by the parent: one, two; directly while none is up")


if __name__ == "__main__":
    unittest.main()
