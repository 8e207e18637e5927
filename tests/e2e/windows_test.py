"""What Windows has instead of signals and systemd: --tell, and a service under the service control manager."""
import os
import re
import subprocess
import time
import unittest
from pathlib import Path

import settings
from harness import ProxyTest, environment, run_program
from origins import echo
from reload_test import rules
from settings import PROMPT, TIMEOUT
from wire import Wire, request, response, wait_quietly, wait_until

CONTROL = os.environ.get("CO_WQ_CONTROL_SERVICE", "")
STOPPED, STOP_PENDING, RUNNING = 1, 3, 4
STOP, PARAMCHANGE, REOPEN = 1, 6, 128
CANNOT_ACCEPT, SERVICE_SPECIFIC = 1061, 1066


def setUpModule() -> None:
    """Wine's service manager ends with the last program, and starts what is to start with the system when it begins."""
    idle = subprocess.Popen([settings.COMMAND[0], "cmd.exe"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, env=environment())
    unittest.addModuleCleanup(lambda: (idle.stdin.close(), idle.wait(TIMEOUT)))
    run_program("--version")


def windows_path(path: Path) -> str:
    return "Z:" + str(path).replace("/", "\\")


class Tell(ProxyTest):
    """A process in a console."""

    def setUp(self) -> None:
        self.file = self.folder() / "proxy.toml"
        self.site_ = self.site(lambda asked: response("ok"))

    def begin(self, *options: str):
        self.file.write_text(rules("127.0.0.1"))
        return self.start_proxy("--config", str(self.file), *options, port=None)

    def test_reload_takes_new_rules(self):
        proxy = self.begin()
        self.assertEqual(self.get(self.site_.url(), proxy).status, 200)
        self.file.write_text(rules("elsewhere.test"))
        self.assertIn("is told to reload", proxy.tell("reload").stdout)
        proxy.wait_for_log(r"reloaded: rules.*what else has changed, a restart takes")
        self.assertEqual(self.get(self.site_.url(), proxy).status, 403)
        self.file.write_text("[[[")
        proxy.tell("reload")
        proxy.wait_for_log("not reloaded")
        self.assertEqual(self.get(self.site_.url(), proxy).status, 403)

    def test_reopen_lets_logs_be_moved(self):
        log = self.folder() / "access.log"
        proxy = self.begin("--access-log", str(log))
        self.get(self.site_.url(), proxy)
        wait_until(lambda: log.exists() and log.read_text(), "the record is written")
        log.rename(log.with_suffix(".old"))
        proxy.tell("reopen")
        wait_until(log.exists, "it is opened again")
        self.get(self.site_.url(), proxy)
        wait_until(log.read_text, "the next record is in the new file")

    def test_drain_waits_for_what_is_under_way(self):
        proxy = self.begin()
        tunnel = self.tunnel(self.origin(echo).authority, proxy=proxy)
        proxy.tell("drain")
        proxy.wait_for_log("draining")
        tunnel.send(b"still here")
        self.assertEqual(tunnel.read_exactly(10), b"still here")
        tunnel.close()
        self.assertEqual(proxy.wait(PROMPT), 0)

    def test_end_waits_for_nothing(self):
        proxy = self.begin("--drain-timeout-ms", "600000")
        tunnel = self.tunnel(self.origin(echo).authority, proxy=proxy)
        proxy.tell("end")
        self.assertEqual(proxy.wait(PROMPT), 0)
        proxy.wait_for_log("ending now")
        tunnel.close()

    def test_a_drain_may_be_ended(self):
        proxy = self.begin("--drain-timeout-ms", "600000")
        tunnel = self.tunnel(self.origin(echo).authority, proxy=proxy)
        proxy.tell("drain")
        proxy.wait_for_log("draining: at most 600000 ms")
        proxy.tell("drain")
        self.assertEqual(proxy.wait(PROMPT), 0)
        tunnel.close()

    def test_what_cannot_be_told_is_said(self):
        proxy = self.begin()
        gone = self.start_proxy()
        pid = gone.windows_pid
        gone.tell("drain")
        self.assertEqual(gone.wait(PROMPT), 0)
        for options, code, said in ((("--tell", "reload", "--pid", str(pid)), 1, f"there is no process {pid}"),
                                    (("--tell", "reload", "--pid", "2147483640"), 1, "there is no process"),
                                    (("--tell", "restart"), 2, "one of reload, reopen, drain, end"),
                                    (("--pid", "5"), 2, "--pid is for --tell"),
                                    (("--tell", "reload", "--pid", "0"), 2, "--pid"),
                                    (("--tell", "reload", "--remove-service"), 2, "one at a time")):
            with self.subTest(options):
                done = run_program(*options)
                self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
                self.assertIn(said, done.stderr)
        self.assert_serves(proxy)


class Events(ProxyTest):
    """Wine keeps no events, but says what it is given."""

    INFORMATION, ERROR = 0x4, 0x1  # the system's types

    def setUp(self) -> None:
        self.file = self.folder() / "proxy.toml"
        self.file.write_text(rules("127.0.0.1"))

    def assert_event(self, proxy, text: str, kind: int, number: int) -> None:
        proxy.wait_for_log(rf'eventlog:ReportEventW L"{text}')
        lines = proxy.log_text().splitlines()
        at = next(i for i, line in enumerate(lines) if f'ReportEventW L"{text}' in line)
        self.assertRegex(lines[at - 1], rf"ReportEventW \(\w+,0x{kind:04x},0x0000,0x{number:08x},")

    def test_what_an_administrator_wants_to_know_is_an_event(self):
        proxy = self.start_proxy("--config", str(self.file), "--event-log", port=None,
                                 variables={"CO_WQ_WINEDEBUG": "+eventlog,fixme+advapi"})
        self.assert_event(proxy, "started: version", self.INFORMATION, 1)
        self.assert_event(proxy, "listening on 127.0.0.1:", self.INFORMATION, 1)
        self.file.write_text("[[[")
        proxy.tell("reload")
        self.assert_event(proxy, "not reloaded", self.ERROR, 3)
        proxy.tell("drain")
        self.assertEqual(proxy.wait(PROMPT), 0)
        self.assert_event(proxy, "draining", self.INFORMATION, 1)
        self.assert_event(proxy, "stopped", self.INFORMATION, 1)

    def test_what_clients_do_is_none(self):
        proxy = self.start_proxy("--event-log", "--deny", "127.0.0.1", "--verbose",
                                 variables={"CO_WQ_WINEDEBUG": "+eventlog"})
        self.assertEqual(self.get("http://127.0.0.1:1/", proxy).status, 403)
        proxy.wait_for_log("by rule")
        self.assertFalse(re.search('ReportEventW L".*by rule', proxy.log_text()), proxy.log_text())

    def test_without_the_option_there_are_none(self):
        proxy = self.start_proxy(variables={"CO_WQ_WINEDEBUG": "+eventlog"})
        self.assertNotIn("ReportEventW L", proxy.log_text())


class Service(ProxyTest):
    def setUp(self) -> None:
        self.name = f"co_wq_test_{os.getpid()}_{time.monotonic_ns()}"
        self.home = self.folder() / "with a blank"
        self.home.mkdir()
        self.config, self.log = self.home / "proxy.toml", self.home / "proxy.log"
        self.site_ = self.site(lambda asked: response("ok"))
        self.addCleanup(self.remove_at_any_rate)

    def remove_at_any_rate(self) -> None:
        if self.control("show").returncode == 0:
            self.control("control", STOP)
            self.control("wait", STOPPED)
            self.program("--remove-service", "--service-name", self.name)

    def program(self, *arguments: str) -> subprocess.CompletedProcess:
        return run_program(*arguments, folder=self.home)

    def control(self, what: str, *more: object) -> subprocess.CompletedProcess:
        return subprocess.run([settings.COMMAND[0], CONTROL, what, self.name, *map(str, more)], capture_output=True,
                              text=True, env=environment(), timeout=60)

    def install(self, *options: str, text: str | None = None) -> None:
        """Relative paths are those of the folder that it is installed from."""
        self.config.write_text(text or rules("127.0.0.1"))
        done = self.program("--config", "proxy.toml", "--install-service", "--service-name", self.name, "--log-file",
                            "proxy.log", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("is installed for NT AUTHORITY\\LocalService", done.stdout)

    def start(self) -> Wire:
        """A client of the running service."""
        self.assertEqual(self.control("start").returncode, 0)
        self.assert_state(RUNNING)
        self.port = int(re.findall(r"listening on \S+:(\d+)", self.log.read_text())[-1])
        return self.connect()

    def connect(self) -> Wire:
        client = Wire.connect("127.0.0.1", self.port)
        self._clients.append(client)
        return client

    def status(self) -> int:
        client = self.connect()
        client.send(request("GET", self.site_.url()))
        return client.read_response().status

    def field(self, name: str) -> int:
        return int(re.search(rf"\b{name} (\d+)", self.control("show").stdout)[1])

    def assert_state(self, state: int) -> str:
        done = self.control("wait", state)
        self.assertEqual(done.returncode, 0, f"{done.stdout}; log:\n{self.log_text()}")
        return done.stdout

    def log_text(self) -> str:
        return self.log.read_text() if self.log.exists() else "(none)"

    def test_its_whole_life(self):
        access = self.home / "access.log"
        self.install("--access-log", "access.log", "--drain-timeout-ms", "40000")
        shown = self.control("command").stdout
        self.assertIn(f'"{windows_path(settings.PROXY)}" --service "{windows_path(self.home)}" --config proxy.toml '
                      "--log-file proxy.log", shown)
        self.assertNotIn("--service-name", shown)
        self.assertRegex(shown, r"start 2 account NT AUTHORITY\\LocalService")
        self.start()
        got = self.run_curl("-x", f"http://127.0.0.1:{self.port}", self.site_.url(), through=False)
        self.assertEqual((got.returncode, got.stdout), (0, b"ok"), got.stderr)

        with self.subTest("reload"):
            self.config.write_text(rules("elsewhere.test"))
            self.assertEqual(self.control("control", PARAMCHANGE).returncode, 0)
            wait_until(lambda: "reloaded: rules" in self.log_text(), "it is reloaded")
            self.assertEqual(self.status(), 403)
            self.config.write_text("[[[")
            self.control("control", PARAMCHANGE)
            wait_until(lambda: "not reloaded" in self.log_text(), "it is refused")
            self.assertEqual(self.status(), 403)
            self.config.write_text(rules("127.0.0.1"))
            self.control("control", PARAMCHANGE)
            wait_until(lambda: self.log_text().count("reloaded: rules") == 2, "it is reloaded")
            self.assertEqual(self.field("state"), RUNNING)
        with self.subTest("reopen"):
            wait_until(lambda: access.exists() and access.read_text(), "the record is written")
            access.rename(access.with_suffix(".old"))
            self.control("control", REOPEN)
            wait_until(access.exists, "it is opened again")
        with self.subTest("other controls do nothing"):
            self.control("control", 129)  # Wine does not pass on that it is refused
            self.assertEqual(self.status(), 200)
        with self.subTest("it is not removed while it runs"):
            done = self.program("--remove-service", "--service-name", self.name)
            self.assertEqual(done.returncode, 1)
            self.assertIn("stop it first", done.stderr)
        with self.subTest("stop"):
            tunnel = self.connect()
            tunnel.send(request("CONNECT", self.origin(echo).authority))
            self.assertEqual(tunnel.read_response("CONNECT").status, 200)
            self.assertEqual(self.control("control", STOP).returncode, 0)
            wait_until(lambda: "draining: at most 40000 ms" in self.log_text(), "it drains")
            self.assertEqual(self.field("state"), STOP_PENDING)
            self.assertEqual(self.field("hint"), 45000)
            tunnel.send(b"still here")
            self.assertEqual(tunnel.read_exactly(10), b"still here")
            tunnel.close()
            self.assertIn("exit 0 specific 0", self.assert_state(STOPPED))
            self.assertIn("stopped", self.log_text().splitlines()[-1])
        with self.subTest("it is removed"):
            done = self.program("--remove-service", "--service-name", self.name)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.control("show").returncode, 1)
            done = self.program("--remove-service", "--service-name", self.name)
            self.assertEqual(done.returncode, 1)
            self.assertIn("there is no service", done.stderr)

    def test_a_second_stop_ends_or_is_refused_by_the_system(self):
        self.install("--drain-timeout-ms", "600000")
        self.start()
        tunnel = self.connect()
        tunnel.send(request("CONNECT", self.origin(echo).authority))
        self.assertEqual(tunnel.read_response("CONNECT").status, 200)
        self.assertEqual(self.control("control", STOP).returncode, 0)
        wait_until(lambda: "draining" in self.log_text(), "it drains")
        again = self.control("control", STOP)
        if again.returncode != 0:
            self.assertIn(f"error {CANNOT_ACCEPT}", again.stdout)
            done = run_program("--tell", "drain", "--pid", str(self.field("process")))
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("exit 0 specific 0", self.assert_state(STOPPED))
        self.assertIn("ending now", self.log_text())
        tunnel.close()

    def test_a_stop_as_soon_as_it_is_taken(self):
        self.install()
        done = self.control("start-and-stop")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("exit 0 specific 0", done.stdout)

    def test_a_start_that_fails_has_a_code(self):
        self.install()
        taken = self.at_a_port_in_use()
        # no two with the same code one after the other: the state is that of the start before until it changes
        for what, break_it, code in (("no TOML", lambda: self.config.write_text("[[["), 2),
                                     ("a port in use", lambda: self.config.write_text(taken), 1),
                                     ("no file", self.config.unlink, 2)):
            break_it()
            with self.subTest(what):
                done = self.control("start")
                self.assertEqual(done.returncode, 0, done.stdout)
                said = self.assert_state(STOPPED)
                self.assertIn(f"exit {SERVICE_SPECIFIC} specific {code}", said)

    def test_a_later_start_keeps_the_log(self):
        self.install()
        for count in (1, 2):
            self.start()
            self.assertEqual(self.control("control", STOP).returncode, 0)
            self.assertIn("exit 0 specific 0", self.assert_state(STOPPED))
            self.assertEqual(len(re.findall(r"started: version", self.log_text())), count)

    def at_a_port_in_use(self) -> str:
        return rules("127.0.0.1").replace("port = 0", f"port = {self.site_.port}")

    def test_what_cannot_be_installed_is_not(self):
        self.config.write_text("[[[")
        install = ("--install-service", "--service-name", self.name)
        for options, code, said in ((("--config", "proxy.toml"), 2, "proxy.toml:1"),
                                    (("--config", "nowhere.toml"), 2, "there is no such file"),
                                    (("--access-log", "-"), 2, "a service has no standard output"),
                                    (("--host", "0.0.0.0"), 2, "would serve everybody"),
                                    (("--service", "C:\\"), 2, "--service"),
                                    (("--log-file", "%OS%.log"), 1, "would be replaced")):
            with self.subTest(options):
                done = self.program(*install, *options)
                self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
                self.assertIn(said, done.stderr)
                self.assertEqual(self.control("show").returncode, 1, "nothing is installed")
        self.install()
        done = self.program(*install)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("there is a service", done.stderr)

    def test_another_programs_service_is_not_removed(self):
        done = self.program("--remove-service", "--service-name", "EventLog")
        self.assertEqual(done.returncode, 1)
        self.assertIn("another program", done.stderr)

    def test_in_a_console_it_is_no_service(self):
        done = self.program("--service", windows_path(self.home))
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertIn("--service is for the service manager", done.stderr)


class Help(unittest.TestCase):
    def test_the_options_are_in_the_help_and_in_the_documents(self):
        shown = run_program("--help").stdout
        page = (settings.HERE.parents[1] / "docs/windows.md").read_text()
        for option in ("--service", "--install-service", "--remove-service", "--service-name", "--service-account",
                       "--tell", "--pid", "--event-log"):
            self.assertRegex(shown, rf"(?m)^\s+{option}\b")
            self.assertRegex(page, rf"`[^`]*{option}\b")


if __name__ == "__main__":
    unittest.main()
