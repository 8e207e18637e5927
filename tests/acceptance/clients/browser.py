"""What both browsers do: load a page with parts, send what it got back, talk over a WebSocket."""
import json
import subprocess
from pathlib import Path

from clients.client import Client
from lanes import found
from sites import BODIES, Web, digest


class Browser(Client):
    @classmethod
    def missing(cls) -> str:
        return "" if found(cls.program) and found("certutil") else f"needs {cls.packages}"

    def trust(self, folder: Path) -> None:
        """Puts the test CA into the certificate store in folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        store = f"sql:{folder}"
        for arguments in (("-N", "--empty-password"), ("-A", "-t", "C,,", "-n", "test", "-i", self.lane.ca)):
            subprocess.run(["certutil", "-d", store, *arguments], check=True, stdout=subprocess.DEVNULL)

    def visit(self, url: str, *expressions: str) -> list:
        """Loads url, and what each expression of the page's script comes to; then ends the browser in order."""
        raise NotImplementedError

    def load(self, site: Web) -> None:
        paths = [path for path in BODIES if path != "/empty"]
        parts, digests = self.visit(site.url("/page"), "parts()", f"digests({json.dumps(paths)})")
        assert parts == {"margin": "37px", "width": 3, "height": 2}, parts
        expected = {path: f"{digest(BODIES[path])} {len(BODIES[path])}" for path in paths}
        assert digests == expected, f"{digests}, not {expected}"

    def fetch_many(self, site: Web) -> None:
        different, = self.visit(site.url("/page"), "parallel('/large', 12)")
        assert different == 1, f"{different} different bodies of one resource"
        sent = [each.length for each in site.seen if each.target == "/upload"]
        assert sent == [len(BODIES["/large"])] * 12, sent

    def talk(self, site: Web) -> None:
        said, = self.visit(site.url("/page"), "echo()")
        large = BODIES["/large"]
        assert said == [True, True, True, f"{digest(large)} {len(large)}", [1000, True]], said
        assert "/echo" in [each.target for each in site.seen]

    def do_http(self) -> None:
        self.load(self.lane.plain)

    def do_https(self) -> None:
        self.load(self.lane.secure)

    def do_upload(self) -> None:
        self.fetch_many(self.lane.plain)

    def do_https_upload(self) -> None:
        self.fetch_many(self.lane.secure)

    def do_ws(self) -> None:
        self.talk(self.lane.plain)

    def do_wss(self) -> None:
        self.talk(self.lane.secure)
