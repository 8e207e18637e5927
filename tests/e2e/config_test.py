"""The config file: what it says is done, flags override it, every error is explained; explain names the rule."""
import re
import shutil
import unittest
from pathlib import Path

import settings
from harness import ProxyTest, run_program
from policy_test import ALICE, CAROL, basic
from name_server import NameServer
from wire import request, response

DOCUMENTS = settings.HERE.parents[1] / "docs/operations"

EVERY_ERROR = '''threads = -1
reactr = "auto"
sandbox = "yes"
[limits]
header_timeout = 10
conect_timeout = "10s"
body = 5
idle_timeout = "10 parsecs"
drain_timeout = "8d"
pool = 0
[log]
level = "loud"
[dns]
servers = ["ns.example"]
[[policies]]
name = "default"
default = "allw"
connect_ports = [443, 65536, "9-1", "0x50", 0, -1]
allow_addresses = ["10.0.0.1/8"]
[[policies.rules]]
to = ["*.b*.org", "https://x", "10.0.0.0/8"]
users = ["bob"]
methods = ["get"]
ports = []
[[policies]]
[[listeners]]
address = "localhost"
policy = "defualt"
[[listeners]]
address = "0.0.0.0"
port = 65536
[[users]]
file = "nope"
[policy]
'''

# line, column or None, and what the line says
EXPLAINED = [
    (1, 11, "from 0 to 1024"), (2, 1, 'did you mean "reactor"'), (3, 11, "true or false"), (5, 18, 'write "10s"'),
    (6, 1, 'in [limits]: did you mean "connect_timeout"'), (7, 8, 'write "5 B"'), (8, 16, "unit"), (9, 17, "7 d"),
    (10, 8, "from 1"), (12, 9, "one of trace, debug"), (14, 12, "192.0.2.1:53"), (17, 11, "one of allow, deny"),
    (18, 23, "from 1 to 65535"), (18, 30, '"8000-8999"'), (18, 37, "not a port"), (18, 45, "from 1 to 65535"),
    (18, 48, "not a port"), (19, 20, "write 10.0.0.0/8"), (20, None, "action"), (21, 7, "*.example.org"),
    (21, 19, "scheme"), (23, 12, "capitals"), (24, 9, "leave it out"),
    (25, None, "without name"), (26, None, 'did you mean "default"'), (27, 11, "numeric"), (31, 8, "65535"),
    (33, 8, "no such file"), (34, None, 'did you mean "policies"'),
]

EVERY_CONTRADICTION = '''
[[listeners]]
address = "0.0.0.0"
[[listeners]]
name = "listener 1"
address = "0.0.0.0"
open = true
[[policies]]
name = "staff"
require_user = true
[[policies.rules]]
action = "allow"
users = ["bob"]
listeners = ["listener 9"]
[[policies]]
name = "staff"
[dns]
ttl_min = "2h"
'''

CONTRADICTED = [
    (2, "serve everybody"), (5, "has this name already"), (4, "has this address and port already"),
    (8, "nobody could get in"), (11, "there are none"), (11, 'did you mean "listener 1"'),
    (16, "has this name already"), (18, "longer than ttl_max"),
]


class ConfigTest(ProxyTest):
    def setUp(self) -> None:
        pass

    def file(self, text: str, name: str = "proxy.toml") -> Path:
        made = self.folder() / name
        made.write_text(text)
        return made


class Check(ConfigTest):
    def check(self, file: Path, code: int):
        done = run_program("--check-config", "--config", str(file))
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return done

    def test_every_error_is_explained_with_its_place(self):
        file = self.file(EVERY_ERROR)
        done = self.check(file, 2)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        for number, column, text in EXPLAINED:
            place = f"{file}:{number}:" + (f"{column}: " if column else "")
            if not any(place in line and text in line for line in lines):
                self.fail(f"no line with {place} and {text!r} in:\n{done.stderr}")
        for line in lines:
            self.assertRegex(line, rf"^co_http_proxy: {re.escape(str(file))}:\d+:\d+: ")

    def test_parts_that_contradict_each_other(self):
        lines = self.check(self.file(EVERY_CONTRADICTION), 2).stderr.splitlines()
        for number, text in CONTRADICTED:
            self.assertTrue(any(f".toml:{number}:" in line and text in line for line in lines), (number, text, lines))
        file = self.file('users = [{file = "users"}]\npolicies = [{name = "a", rules = [\n'
                         '{action = "deny", users = ["bob", "alice", "*"]}]}]')
        (file.parent / "users").write_text(ALICE)
        lines = self.check(file, 2).stderr.splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertIn('.toml:3:1: no user file knows the user "bob"', lines[0])

    def test_errors_of_the_grammar(self):
        done = self.check(self.file('a = \n[[x\nb = 1\nc = "x\n'), 2)
        for number in (1, 2, 4):
            self.assertIn(f".toml:{number}:", done.stderr)
        self.assertNotIn(".toml:3:", done.stderr)

    def test_bad_lines_of_a_users_file_are_told_with_its_name(self):
        file = self.file('users = [{file = "users"}]')
        (file.parent / "users").write_text(ALICE + "bob:plain\n# nobody\nx\n")
        done = self.check(file, 2)
        self.assertIn("users:2:1: neither a bcrypt nor a SHA-crypt hash", done.stderr)
        self.assertIn("users:4:1: not a line of NAME:HASH", done.stderr)

    def test_what_cannot_be_read(self):
        for path in (self.folder(), self.folder() / "none"):
            done = self.check(path, 2)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(str(path), done.stderr)
        done = run_program("--check-config")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--config", done.stderr)

    def test_hostile_files(self):
        for text in (b"\xff\xfe", b"a" * 100_000, b"[" * 5000, b"a.b" * 5000 + b"=1", b"\0", b"listeners = 3",
                     b"policies = [1]", b"policies = [[]]", b"[users]", b"limits = []", b"log.level = 7",
                     b'log.file = "a\\u0000b"', b"listeners = [{port = 18446744073709551616}]"):
            with self.subTest(text[:20]):
                file = self.folder() / "hostile.toml"
                file.write_bytes(text)
                done = self.check(file, 2)
                self.assertNotRegex(done.stderr, r"[\x00-\x09\x0b-\x1f\x7f]")

    def test_an_empty_file_is_fine(self):
        done = self.check(self.file(""), 0)
        self.assertRegex(done.stdout, r"\.toml: ok\n$")

    def test_the_examples_in_the_documents_are_right(self):
        examples = [text for page in ("policy.md", "limits.md", "tls.md", "upstreams.md")
                    for text in re.findall(r"```toml\n(.*?)```", (DOCUMENTS / page).read_text(), re.DOTALL)]
        self.assertGreater(len(examples), 1)
        for text in examples:
            file = self.file(text)
            for mine, name in (("site.pem", "proxy.pem"), ("site.key", "proxy.key"), ("ca.pem", "clients.pem")):
                shutil.copy(self.authority().folder / mine, file.parent / name)
            (file.parent / "staff.htpasswd").write_text(ALICE)
            (file.parent / "ci.htpasswd").write_text(CAROL.replace("carol", "builder"))
            (file.parent / "a.password").write_text("secret\n")
            (file.parent / "corp-ca.pem").write_bytes(self.authority().certificate.read_bytes())
            self.check(file, 0)

    def test_the_example_has_every_key(self):
        text = "".join((DOCUMENTS / name).read_text() for name in ("policy.md", "limits.md"))
        source = settings.HERE.parents[1] / "apps/proxy/config"
        keys = set()
        for name in ("config_file.cpp", "limits_reader.cpp", "policy_reader.cpp", "parent_reader.cpp"):
            asked = r'\b(?:(?:from|file)\.\w+\(|read_parsed\(from, )"(\w+)"'
            keys |= set(re.findall(asked, (source / name).read_text()))
        missing = {key for key in keys if not re.search(rf"\b{key}\b", text)}
        self.assertEqual(missing, set())


class Served(ConfigTest):
    TWO = """
        [[listeners]]
        name = "laptop"
        port = 0
        [[listeners]]
        name = "ci"
        port = 0
        policy = "ci"
        [[policies]]
        name = "ci"
        default = "deny"
        guard = false
        [[policies.rules]]
        name = "the site"
        action = "allow"
        to = ["127.0.0.0/8"]
        methods = ["GET"]
        listeners = ["ci"]
        """

    def test_listeners_have_policies_of_their_own(self):
        site = self.site(lambda asked: response("ok"))
        for threads in (1, 3):
            with self.subTest(threads):
                proxy = self.start_proxy("--config", str(self.file(self.TWO)), port=None, threads=threads)
                laptop = proxy.port
                ci = int(proxy.wait_for_log(rf"listening on 127\.0\.0\.1:(?!{laptop} )(\d+)")[1])
                post = request("POST", site.url(), body=b"x")
                self.assertEqual(self.ask(post, "POST", proxy).status, 200)
                proxy.port = ci
                self.assertEqual(self.get(site.url(), proxy).status, 200)
                answer = self.ask(post, "POST", proxy)
                self.assertEqual(answer.status, 403)
                self.assertRegex(answer.body.decode(), r'default of policy "ci" \(.*proxy\.toml:9\)')
                for own in (laptop, ci):
                    answer = self.get(f"http://127.0.0.1:{own}/", proxy)
                    self.assertEqual(answer.status, 403)
                    self.assertIn(b"own address", answer.body)

    def test_users_bring_policies_of_their_own(self):
        site = self.site(lambda asked: response("ok"))
        file = self.file("""
            [[listeners]]
            port = 0
            [[users]]
            file = "staff"
            [[users]]
            file = "guests"
            policy = "guests"
            [[policies]]
            name = "guests"
            default = "deny"
            """)
        (file.parent / "staff").write_text(ALICE)
        (file.parent / "guests").write_text(CAROL)
        proxy = self.start_proxy("--config", str(file), port=None)
        for user, status in (("alice", 200), ("carol", 403), ("mallory", 407)):
            answer = self.ask(request("GET", site.url(), fields=[basic(user, "secret")]), proxy=proxy)
            self.assertEqual(answer.status, status, user)

    def test_rules_for_users_ask_who_it_is_only_where_it_matters(self):
        site = self.site(lambda asked: response("ok"))
        file = self.file(f"""
            listeners = [{{port = 0}}]
            users = [{{file = "staff"}}]
            [[policies]]
            name = "default"
            default = "deny"
            require_user = false
            [[policies.rules]]
            action = "allow"
            to = ["127.0.0.1"]
            methods = ["GET"]
            [[policies.rules]]
            action = "allow"
            users = ["alice"]
            """)
        (file.parent / "staff").write_text(ALICE)
        proxy = self.start_proxy("--config", str(file), port=None)
        self.assertEqual(self.get(site.url(), proxy).status, 200)
        self.assertEqual(self.ask(request("PUT", site.url(), body=b"x"), "PUT", proxy).status, 407)
        put = request("PUT", site.url(), fields=[basic("alice", "secret")], body=b"x")
        self.assertEqual(self.ask(put, "PUT", proxy).status, 200)
        wrong = request("GET", site.url(), fields=[basic("alice", "wrong")])
        self.assertEqual(self.ask(wrong, proxy=proxy).status, 407)

    def test_flags_override_the_file(self):
        site = self.site(lambda asked: response("ok"))
        file = self.file("""
            listeners = [{address = "127.0.0.2", port = 0}]
            limits = {body = "3 B"}
            policies = [{name = "default", default = "deny"}]
            """)
        proxy = self.start_proxy("--config", str(file), port=None)
        self.assertEqual(proxy.host, "127.0.0.2")
        self.assertEqual(self.get(site.url(), proxy).status, 403)
        proxy = self.start_proxy("--config", str(file), "--host", "127.0.0.1", "--report")
        self.assertEqual(proxy.host, "127.0.0.1")
        self.assertEqual(self.get(site.url(), proxy).status, 200)
        post = request("POST", site.url(), body=b"four")
        self.assertEqual(self.ask(post, "POST", proxy).status, 413)
        proxy = self.start_proxy("--config", str(file), "--report", "--max-body-bytes", "4")
        self.assertEqual(self.ask(post, "POST", proxy).status, 200)

    def test_rules_come_from_one_place(self):
        file = self.file('policies = [{name = "default"}]')
        done = run_program("--config", str(file), "--allow", "a.example")
        self.assertEqual(done.returncode, 2)
        self.assertIn("write them into the file", done.stderr)

    def test_a_bad_file_is_not_run(self):
        done = run_program("--config", str(self.file("threads = -1")))
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("proxy.toml:1:11: threads", done.stderr)


class Explain(ConfigTest):
    def explain(self, code: int, *arguments: str) -> str:
        done = run_program("explain", *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code != 2 else done.stderr

    def test_the_sandbox_of_the_recipe(self):
        flags = ("--sandbox", "--allow", "github.com", "--allow", "*.debian.org")
        self.assertIn("allowed by --allow github.com (command line)", self.explain(0, "https://github.com/", *flags))
        self.assertIn("allowed by --allow *.debian.org", self.explain(0, "http://deb.debian.org/x", *flags))
        self.assertIn('denied by default of policy "command line"', self.explain(1, "https://gitlab.com/", *flags))
        self.assertIn("port 22", self.explain(1, "github.com:22", *flags))
        self.assertIn("address guard", self.explain(1, "http://169.254.169.254/", "--sandbox", "--allow",
                                                    "169.254.0.0/16"))

    def test_with_a_file_it_names_rule_and_line(self):
        file = self.file(Served.TWO)
        told = self.explain(0, "http://127.0.0.1/", "--config", str(file), "--listener", "ci")
        self.assertIn(f"allowed by the site ({file}:13)", told)
        told = self.explain(1, "http://127.0.0.1/", "--method", "POST", "--config", str(file), "--listener", "ci")
        self.assertIn(f'denied by default of policy "ci" ({file}:9)', told)
        self.assertIn("allowed", self.explain(0, "http://127.0.0.1/", "--config", str(file)))

    def test_users_and_clients(self):
        file = self.file("""
            users = [{file = "staff"}]
            [[policies]]
            name = "default"
            default = "deny"
            [[policies.rules]]
            action = "allow"
            users = ["alice"]
            clients = ["192.0.2.0/24"]
            """)
        (file.parent / "staff").write_text(ALICE)
        config = ("--config", str(file))
        self.assertIn("407", self.explain(1, "https://a.example/", *config))
        self.assertIn("denied", self.explain(1, "https://a.example/", "--user", "alice", *config))
        self.explain(0, "https://a.example/", "--user", "alice", "--client", "192.0.2.9", *config)
        self.assertIn("no users file", self.explain(2, "https://a.example/", "--user", "bob", *config))

    def test_addresses_are_asked_for_only_when_wanted(self):
        with NameServer(inner=[["10.0.0.1"]], both=[["10.0.0.1", "8.8.8.8"]]) as names:
            flags = ("--sandbox", "--allow", "*.test.example", "--dns-servers", names.address)
            self.assertIn("--resolve", self.explain(0, "https://inner.test.example/", *flags))
            self.assertEqual(names.asked["inner.test.example"], 0)
            told = self.explain(1, "https://inner.test.example/", "--resolve", *flags)
            self.assertIn("10.0.0.1  denied by address guard", told)
            told = self.explain(0, "https://both.test.example/", "--resolve", *flags)
            self.assertIn("8.8.8.8   allowed by --allow *.test.example", told)

    def test_wrong_questions(self):
        for target in ("", "foo", "http://", "https://user@a.example/", "http://0x7f000001/", "a.example:65536",
                       "http://[fe80::1%25eth0]/"):
            with self.subTest(target):
                self.explain(2, target)
        self.explain(2, "https://a.example/", "--method", "GET")
        self.explain(2, "https://a.example/", "--client", "somebody")
        self.explain(2, "https://a.example/", "--listener", "none")
        self.explain(2)


if __name__ == "__main__":
    unittest.main()
