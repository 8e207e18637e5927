"""The sandbox recipe with real clients: what goes through, what each client says of a denial, what the audit has."""
import json
import re
import shutil
import subprocess
import unittest
from pathlib import Path

import documents
from harness import Proxy, ProxyTest, environment
from name_server import NameServer
from origins import Authority, echo
from settings import PROMPT, TIMEOUT
from wire import response, wait_until

REQUESTS = """
import sys, requests
try:
    answer = requests.get(sys.argv[1], timeout=20)
except requests.RequestException as failure:
    sys.exit(str(failure))
print(answer.text, end="")
sys.exit(answer.status_code != 200)
"""

ALLOWED = "good.test.example"
DENIED = "bad.test.example"
INSIDE = "inside.test.example"  # allowed by name, but at a private address


def python_with(*modules: str) -> str | None:
    for program in ("python3", "/usr/bin/python3"):
        known = subprocess.run([program, "-c", f"import {', '.join(modules)}"], capture_output=True)
        if known.returncode == 0:
            return program
    return None


PYTHON = python_with("requests", "socks")


def said(text: str) -> str:
    """With the place holders of the documents."""
    return re.sub(r"(?:bad|inside)\.test\.example", "HOST", re.sub(r"(\.test\.example):\d+", r"\1:PORT", text))


class SandboxClients(ProxyTest):
    def setUp(self) -> None:
        self.ca = Authority(f"DNS:{ALLOWED},DNS:{DENIED},DNS:{INSIDE}")
        self.addCleanup(self.ca.close)
        self.plain = self.site(lambda asked: response("ok"))
        self.tls = self.site(lambda asked: response("ok"), tls=self.ca.server())
        names = self.enterContext(NameServer(good=[["127.0.0.1"]], bad=[["127.0.0.1"]], inside=[["10.1.2.3"]]))
        self.audit = self.folder() / "audit.json"
        # as the page has it; the origins are here and have ports of their own
        self.proxy = self.start_proxy(
            "--sandbox", "--allow", ALLOWED, "--allow", INSIDE, "--access-log", str(self.audit), "--access-log-format",
            "json", "--allow-address", "127.0.0.0/8", "--connect-ports", f"{self.plain.port},{self.tls.port}",
            "--dns-servers", names.address)

    def url(self, scheme: str, host: str) -> str:
        return f"{scheme}://{host}:{self.tls.port if scheme == 'https' else self.plain.port}/"

    def call(self, variables: dict[str, str], *command: str) -> subprocess.CompletedProcess:
        trust = {"CURL_CA_BUNDLE": str(self.ca.certificate), "GIT_SSL_CAINFO": str(self.ca.certificate),
                 "SSL_CERT_FILE": str(self.ca.certificate), "REQUESTS_CA_BUNDLE": str(self.ca.certificate)}
        return subprocess.run(command, env=environment() | trust | variables, capture_output=True, text=True,
                              timeout=TIMEOUT * 2)

    def exports(self) -> dict[str, str]:
        """The variables that the page sets."""
        lines = "\n".join(block.text for block in documents.blocks("sh", "sandbox.md"))
        script = "\n".join(line for line in lines.splitlines() if line.startswith("export "))
        script = script.replace("127.0.0.1:18100", self.proxy.address)
        done = subprocess.run(["bash", "-c", script + "\nenv"], capture_output=True, text=True,
                              env={"PATH": "/usr/bin:/bin"})
        return {name: value for name, _, value in (line.partition("=") for line in done.stdout.splitlines())
                if name.lower().endswith("_proxy")}

    def socks(self) -> dict[str, str]:
        return {name: f"socks5h://{self.proxy.address}" for name in ("ALL_PROXY", "all_proxy")}

    def clients(self) -> dict[str, tuple[str, ...]]:
        made = {"curl": ("curl", "-sS"), "git": ("git", "ls-remote"),
                "wget": ("wget", "-nv", "-t1", f"--ca-certificate={self.ca.certificate}", "-O", "-")}
        if PYTHON:
            made["requests"] = (PYTHON, "-W", "ignore", "-c", REQUESTS)
        return {name: command for name, command in made.items() if shutil.which(command[0])}

    def records(self, at_least: int) -> list[dict]:
        def there() -> list[dict]:
            found = [json.loads(line) for line in self.audit.read_text().splitlines()]
            return found if len(found) >= at_least else []
        return wait_until(there, f"{at_least} records", PROMPT)

    def test_what_is_allowed_goes_through(self):
        self.assertEqual({name.lower() for name in self.exports()}, {"http_proxy", "https_proxy", "all_proxy"})
        for variables in (self.exports(), self.socks()):
            for name, command in self.clients().items():
                if name == "wget" and variables == self.socks():
                    continue  # knows no SOCKS
                for scheme in ("http", "https"):
                    with self.subTest(f"{name} {scheme} {sorted(variables)[0]}"):
                        done = self.call(variables, *command, self.url(scheme, ALLOWED))
                        self.assertEqual(done.returncode, 0, done.stderr)
                        self.assertTrue(name == "git" or done.stdout == "ok", done.stdout)
        records = self.records(14)
        self.assertEqual({each["decision"] for each in records}, {"allow"})
        self.assertEqual({each["protocol"] for each in records} - {"http/1.0"}, {"http/1.1", "socks5"})

    def test_what_is_denied_is_said_as_the_page_has_it(self):
        page = documents.page("sandbox.md")
        for variables in (self.exports(), self.socks()):
            for name, command in self.clients().items():
                if name == "wget" and variables == self.socks():
                    continue
                for scheme in ("http", "https"):
                    with self.subTest(f"{name} {scheme} {sorted(variables)[0]}"):
                        done = self.call(variables, *command, self.url(scheme, DENIED))
                        text = said(done.stdout + done.stderr)
                        row = self.row_of(page, name, "socks5h" if variables == self.socks() else scheme)
                        self.assertTrue(any(each in text for each in row), f"none of {row} in:\n{text}")
        for each in self.records(14):
            self.assertEqual((each["decision"], each["status"]), ("deny", 403))
            self.assertEqual(each["rule"], 'default of policy "command line" (command line)')
            self.assertIn(DENIED, each["target"])
            self.assertIsNone(each["upstream"])

    def row_of(self, page: str, client: str, kind: str) -> list[str]:
        """What the table says that this client says."""
        for line in page.splitlines():
            cells = [each.strip() for each in line.split("|")[1:-1]]
            if len(cells) == 4 and cells[0] == client:
                return re.findall(r"`([^`]+)`", cells[{"http": 1, "https": 2, "socks5h": 3}[kind]])
        self.fail(f"no row for {client}")

    def test_an_address_inside_is_denied_though_its_name_is_allowed(self):
        for variables in (self.exports(), self.socks()):
            self.assertNotEqual(self.call(variables, "curl", "-sSf", self.url("https", INSIDE)).returncode, 0)
        for each in self.records(2):
            self.assertEqual((each["decision"], each["rule"]), ("deny", "address guard (built in)"))
            self.assertIn("10.1.2.3 is in 10.0.0.0/8", each["detail"])

    def test_the_record_of_the_page_has_keys_that_there_are(self):
        self.call(self.exports(), "curl", "-sS", self.url("https", DENIED))
        shown = json.loads(documents.blocks("json", "sandbox.md")[0].text)
        record = self.records(1)[0]
        self.assertEqual(list(shown), [key for key in record if key in shown])
        self.assertEqual(shown["detail"].partition(":")[0], record["detail"].partition(":")[0])

    def test_which_variables_are_read(self):
        """What troubleshooting.md and sandbox.md say about them."""
        address = f"http://{self.proxy.address}"
        for name, command in self.clients().items():
            for variable, scheme in (("HTTP_PROXY", "http"), ("HTTPS_PROXY", "https")):
                before = len(self.audit.read_text().splitlines())
                # past the proxy the name leads nowhere
                self.call({variable: address}, *command, self.url(scheme, ALLOWED))
                reads = {"curl": scheme == "https", "git": scheme == "https", "wget": False, "requests": True}[name]
                if reads:
                    self.records(before + 1)
                else:
                    self.assertEqual(len(self.audit.read_text().splitlines()), before, (name, variable))


class Report(ProxyTest):
    def setUp(self) -> None:
        pass

    def test_the_list_of_the_ci_recipe(self):
        """Its command makes the list out of a log of report mode."""
        log = self.folder() / "denied.log"
        with NameServer(one=[["127.0.0.1"]], two=[["127.0.0.1"]]) as names:
            proxy = self.start_proxy("--sandbox", "--report", "--dns-servers", names.address, "--allow",
                                     "allowed.test.example", log_file=log)
            origin = self.origin(echo)
            for host in ("one", "two", "two"):
                with self.tunnel(f"{host}.test.example:{origin.port}", b"x", proxy) as client:
                    self.assertEqual(client.read_exactly(1), b"x")
            site = self.site(lambda asked: response("ok"))
            self.curl("-x", f"socks5h://{proxy.address}", f"http://one.test.example:{site.port}/", through=False)
        command = next(line for block in documents.blocks("sh", "recipes/ci.md") for line in block.text.splitlines()
                       if line.startswith("sed "))
        wait_until(lambda: log.read_text().count("would be denied by rule default") >= 4, "four lines", PROMPT)
        done = subprocess.run(["bash", "-c", command], cwd=Path(log).parent, capture_output=True, text=True)
        self.assertEqual([line.split() for line in done.stdout.splitlines()],
                         [["2", "two.test.example"], ["2", "one.test.example"]], log.read_text())

    @unittest.skipUnless(shutil.which("jq"), "jq")
    def test_the_denials_of_the_ci_recipe(self):
        folder = self.folder()
        proxy = self.start_proxy("--sandbox", "--allow", "a.example", "--access-log", str(folder / "audit.json"),
                                 "--access-log-format", "json")
        for _ in range(2):
            self.get("http://b.example/x", proxy)
        wait_until(lambda: (folder / "audit.json").read_text().count("\n") == 2, "two records", PROMPT)
        command = next(line for block in documents.blocks("sh", "recipes/ci.md") for line in block.text.splitlines()
                       if line.startswith("jq ")).replace(".client, ", "")
        done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True)
        self.assertEqual(done.stdout.split(maxsplit=3)[:3], ["2", "GET", "http://b.example/x"], done.stderr)

    @unittest.skipUnless(shutil.which("socat"), "socat")
    def test_the_way_of_ssh(self):
        """socat as the laptop's page has it."""
        page = documents.page("recipes/laptop.md")
        command = re.search(r"ProxyCommand (.*)", page)[1]
        proxy, origin = self.start_proxy(), self.origin(echo)
        for old, new in (("%h", "127.0.0.1"), ("%p", str(origin.port)), ("18100", str(proxy.port))):
            self.assertIn(old, command)
            command = command.replace(old, new)
        done = subprocess.run(["bash", "-c", command], input=b"SSH-2.0", capture_output=True, timeout=TIMEOUT)
        self.assertEqual(done.stdout, b"SSH-2.0", done.stderr)


if __name__ == "__main__":
    unittest.main()
