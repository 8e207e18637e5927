"""Firefox without a window, over Marionette (a length, a colon, JSON)."""
import contextlib
import json
import socket
import subprocess
import threading
from pathlib import Path

from clients.browser import Browser
from lanes import end_group
from settings import TIMEOUT
from wire import wait_until

PREFERENCES = {
    "marionette.port": 0,
    "network.proxy.type": 2,
    "network.proxy.allow_hijacking_localhost": True,
    "network.proxy.socks_remote_dns": True,
    "network.proxy.socks5_remote_dns": True,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.http.http3.disable_when_third_party_roots_found": False,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.security.https_first": False,
    "extensions.update.enabled": False,
    "services.settings.server": "",
    "toolkit.telemetry.enabled": False,
}


class Marionette:
    def __init__(self, port: int):
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self._socket.settimeout(4 * TIMEOUT)
        self._buffer, self._number = b"", 0
        hello = self._next()
        assert hello.get("marionetteProtocol") == 3, hello

    def _next(self):
        while b":" not in self._buffer:
            self._fill()
        size, _, rest = self._buffer.partition(b":")
        self._buffer = rest
        while len(self._buffer) < int(size):
            self._fill()
        message, self._buffer = self._buffer[:int(size)], self._buffer[int(size):]
        return json.loads(message)

    def _fill(self) -> None:
        data = self._socket.recv(1 << 16)
        if not data:
            raise AssertionError("Firefox ended the conversation")
        self._buffer += data

    def call(self, command: str, **parameters):
        self._number += 1
        text = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(text), text))
        kind, number, failure, result = self._next()
        assert (kind, number) == (1, self._number), (kind, number)
        if failure:
            raise AssertionError(f"{command}: {failure.get('error')}: {failure.get('message')}")
        return result

    def close(self) -> None:
        self._socket.close()


class Firefox(Browser):
    name, packages, program = "Firefox", "firefox-esr libnss3-tools", "firefox-esr"

    def make_profile(self) -> Path:
        lane = self.lane
        profile = lane.folder / "profile"
        self.trust(profile)
        preferences = dict(PREFERENCES)
        if lane.through_proxy:
            word = {"http": "PROXY", "https": "HTTPS", "socks5h": "SOCKS5"}[lane.column.scheme]
            rule = f'{word} {lane.url.split("//")[1]}'
            script = f'function FindProxyForURL(url, host) {{ return "{rule}"; }}'
            preferences["network.proxy.autoconfig_url"] = f"data:application/x-ns-proxy-autoconfig,{script}"
        else:
            preferences["network.proxy.type"] = 0
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
        (profile / "user.js").write_text("".join(lines))
        return profile

    @staticmethod
    def port_of(profile: Path, process: subprocess.Popen) -> int:
        path = profile / "MarionetteActivePort"

        def said() -> int:
            assert process.poll() is None, f"Firefox ended with {process.returncode}"
            text = path.read_text().strip() if path.exists() else ""
            return int(text) if text else 0

        return wait_until(said, "Firefox says its port", 3 * TIMEOUT)

    def visit(self, url: str, *expressions: str) -> list:
        lane, profile = self.lane, self.make_profile()
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(open(lane.folder / "firefox.log", "w+b"))
            process = subprocess.Popen(
                ["firefox-esr", "--headless", "--marionette", "--no-remote", "--profile", str(profile)], stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env=lane.environment(MOZ_CRASHREPORTER_DISABLE="1", MOZ_REMOTE_SETTINGS_DEVTOOLS="1"))
            stack.callback(lambda: (end_group(process), process.wait()))
            timer = threading.Timer(6 * TIMEOUT, lambda: end_group(process))
            timer.start()
            stack.callback(timer.cancel)
            talk = Marionette(self.port_of(profile, process))
            stack.callback(talk.close)
            talk.call("WebDriver:NewSession", capabilities={"alwaysMatch": {"acceptInsecureCerts": False}})
            talk.call("WebDriver:Navigate", url=url)
            results = [self.evaluate(talk, each) for each in expressions]
            talk.call("Marionette:Quit", flags=["eForceQuit"])
            code = process.wait(TIMEOUT)
            assert code == 0, f"Firefox ended with {code}"
            return results

    @staticmethod
    def evaluate(talk: Marionette, expression: str):
        script = ("const done = arguments[arguments.length - 1];"
                  f"Promise.resolve().then(() => {expression})"
                  ".then((value) => done({value}), (failure) => done({failure: String(failure)}));")
        got = talk.call("WebDriver:ExecuteAsyncScript", script=script, args=[], scriptTimeout=60000,
                        sandbox=None)["value"]
        assert "failure" not in got, f"{expression}: {got['failure']}"
        return got.get("value")
