"""What the operators' documents and packaging/ show is right: configs, commands, links, and each packaged file."""
import json
import os
import re
import shlex
import shutil
import subprocess
import unittest
from pathlib import Path

import documents
import settings
from harness import ProxyTest, environment, run_program
from policy_test import ALICE, CAROL
from settings import PROMPT, TIMEOUT
from wire import request, response, wait_until

try:
    import yaml
except ImportError:
    yaml = None


def run(*command: str, **more) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT * 3, **more)


class Pages(ProxyTest):
    def setUp(self) -> None:
        pass

    def surroundings(self, text: str) -> Path:
        """A folder with the files that the text names: users, certificates, keys, passwords."""
        made = self.folder()
        for name in set(re.findall(r"\b[\w-]+\.(?:htpasswd|pem|key|password)\b", text)):
            file = made / name
            if name.endswith(".htpasswd"):
                file.write_text(CAROL.replace("carol", "builder") if name.startswith("ci") else ALICE)
            elif name.endswith(".password"):
                file.write_text("secret\n")
            else:
                own = "site" + file.suffix if file.suffix == ".key" or name.startswith("proxy") else "ca.pem"
                shutil.copy(self.authority().folder / own, file)
            file.chmod(0o600)
        return made

    def test_every_config_is_right(self):
        found = documents.blocks("toml")
        self.assertGreater(len(found), 3)
        for block in found:
            with self.subTest(f"{block.page}:{block.line}"):
                file = self.surroundings(block.text) / "proxy.toml"
                file.write_text(block.text)
                done = run_program("--check-config", "--config", str(file))
                self.assertEqual(done.returncode, 0, done.stderr)

    def commands(self) -> list[tuple[str, list[str]]]:
        """Each call of co_http_proxy in a block of commands, and its words."""
        found = []
        for block in documents.blocks("sh"):
            for line in block.text.replace("\\\n", " ").splitlines():
                if line.startswith("co_http_proxy "):
                    words = shlex.split(line, comments=True)[1:]
                    cut = next((i for i, word in enumerate(words) if word in ("|", "&", ">", "2>")), len(words))
                    found.append((f"{block.page}:{block.line}", words[:cut]))
        return found

    def test_every_command_is_understood(self):
        """Each is asked to explain something instead of being run: that reads all its options."""
        found = self.commands()
        self.assertGreater(len(found), 5)
        for where, words in found:
            with self.subTest(f"{where}: {' '.join(words)}"):
                config = next((block.text for block in documents.blocks("toml", where.partition(":")[0])), "")
                folder = self.surroundings(config + " ".join(words))
                if "--config" in words:
                    at = words.index("--config") + 1
                    words[at] = str(folder / Path(words[at]).name)
                    Path(words[at]).write_text(config)
                if "explain" not in words:
                    words = ["explain", "https://a.example/", *(each for each in words if each != "--check-config")]
                words = [each for each in words if each != "--resolve"]
                done = subprocess.run([str(settings.PROXY), *words], cwd=folder, capture_output=True, text=True,
                                      env=environment(), timeout=TIMEOUT)
                self.assertIn(done.returncode, (0, 1), done.stderr)

    def test_every_link_leads_somewhere(self):
        for path in documents.pages():
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
                with self.subTest(f"{path.name}: {link}"):
                    self.assertTrue((path.parent / link).exists())

    def test_every_link_to_a_section_finds_it(self):
        for path in documents.pages():
            for link, section in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", path.read_text()):
                with self.subTest(f"{path.name}: {link}#{section}"):
                    text = (path.parent / link).read_text() if link else path.read_text()
                    headings = [re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-")
                                for each in re.findall(r"^#+ (.*)", documents.FENCED.sub("", text), re.MULTILINE)]
                    self.assertIn(section, headings)

    def test_every_page_is_in_the_index(self):
        index = documents.page("README.md")
        for path in documents.pages():
            name = str(path.relative_to(documents.OPERATIONS))
            self.assertTrue(name == "README.md" or f"]({name})" in index, name)


@unittest.skipIf(settings.SANITIZER, "the release build is what is shipped")
class Libraries(unittest.TestCase):
    """install.md and the Dockerfile name every library that the program needs."""

    OF_EVERY_SYSTEM = ("linux-vdso", "ld-linux", "libc.so", "libm.so", "libgcc_s", "libstdc++")

    def needed(self) -> dict[str, str]:
        """Library to path."""
        text = run("ldd", str(settings.PROXY)).stdout
        found = dict(re.findall(r"^\s*(\S+) => (\S+)", text, re.MULTILINE))
        return {name: path for name, path in found.items() if not name.startswith(self.OF_EVERY_SYSTEM)}

    def test_the_page_names_them(self):
        page = documents.page("install.md")
        self.assertEqual([name for name in self.needed() if name not in page], [], "libraries missing in install.md")

    @unittest.skipUnless(shutil.which("dpkg-query"), "a Debian system")
    def test_the_image_and_the_page_have_their_packages(self):
        last = (documents.PACKAGING / "container/Dockerfile").read_text().rpartition("FROM ")[2]
        page = documents.page("install.md")
        for name, path in self.needed().items():
            done = run("dpkg-query", "-S", os.path.realpath(path))
            if done.returncode != 0:
                done = run("dpkg-query", "-S", os.path.realpath(path).removeprefix("/usr"))
            if done.returncode != 0:
                continue  # not of a package
            package = done.stdout.partition(":")[0]
            self.assertRegex(last, rf"\b{re.escape(package)}\b", f"{name} is in {package}: add it to the image")
            self.assertIn(package, page, f"{name} is in {package}: add it to install.md")

    def test_the_image_is_built_with_what_dev_installs(self):
        script = (documents.ROOT / "dev").read_text()
        wanted = set(re.search(r"packages_run=\((.*?)\)", script, re.DOTALL)[1].split()) - {"ccache"}
        first = (documents.PACKAGING / "container/Dockerfile").read_text().rpartition("FROM ")[0]
        words = set(first.split())
        self.assertEqual(wanted - words, set(), "packages_run of ./dev that the Dockerfile does not install")


class Packaged(ProxyTest):
    def setUp(self) -> None:
        pass

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd")
    def test_units(self):
        for name, more in (("co_http_proxy.service", ["co_http_proxy.socket"]), ("user/co_http_proxy.service", [])):
            with self.subTest(name):
                folder = self.folder()
                text = (documents.PACKAGING / "systemd" / name).read_text()
                self.assertIn("ExecStart=/usr/local/bin/co_http_proxy ", text)
                text = text.replace("/usr/local/bin/co_http_proxy", str(settings.PROXY))
                (folder / "co_http_proxy.service").write_text(text)
                for each in more:
                    shutil.copy(documents.PACKAGING / "systemd" / each, folder)
                mode = ["--user"] if name.startswith("user/") else []
                done = run("systemd-analyze", "verify", "--man=no", *mode, *(str(file) for file in folder.iterdir()),
                           env=os.environ | {"XDG_RUNTIME_DIR": str(folder)})
                ours = [line for line in done.stderr.splitlines() if "co_http_proxy" in line]
                self.assertEqual((done.returncode, ours), (0, []), done.stderr)

    @unittest.skipUnless(shutil.which("promtool"), "promtool")
    def test_prometheus(self):
        for command in (["check", "config", "prometheus.yml"], ["check", "rules", "rules.yml"],
                        ["test", "rules", "rules_test.yml"]):
            done = run("promtool", *command, cwd=documents.PACKAGING / "prometheus")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_alerts_are_about_metrics_that_there_are(self):
        proxy = self.start_proxy("--admin", "127.0.0.1:0")
        admin = proxy.wait_for_log(r"admin on (\S+)")[1]
        page = self.curl(f"http://{admin}/metrics", through=False).decode()
        text = (documents.PACKAGING / "prometheus/rules.yml").read_text()
        for name, labels in re.findall(r"\b(co_http_proxy_\w+)(?:\{(\w+=\"\w+\")\})?", text):
            with self.subTest(name):
                pattern = rf"^{name}(?:\{{[^}}]*{re.escape(labels)}[^}}]*\}}|\{{| )" if labels else rf"^{name}\b"
                self.assertRegex(page, re.compile(pattern, re.MULTILINE))

    @unittest.skipUnless(shutil.which("logrotate"), "logrotate")
    def test_logrotate(self):
        folder = self.folder()
        log = folder / "access.log"
        site = self.site(lambda asked: response("ok"))
        proxy = self.start_proxy("--access-log", str(log))
        self.get(site.url("/before"), proxy)
        wait_until(lambda: "/before" in log.read_text(), "a record", PROMPT)
        text = (documents.PACKAGING / "logrotate/co_http_proxy").read_text()
        for old, new in (("/var/log/co_http_proxy/*.log", f"{folder}/*.log"),
                         ("systemctl kill -s USR1 --kill-whom=main co_http_proxy.service", f"kill -USR1 {proxy.pid}")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        (folder / "rotate").write_text(text)
        (folder / "rotate").chmod(0o644)
        done = run("logrotate", "--force", "--state", str(folder / "state"), str(folder / "rotate"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        wait_until(log.exists, "a new file", PROMPT)
        self.get(site.url("/behind"), proxy)
        wait_until(lambda: "/behind" in log.read_text(), "a record in the new file", PROMPT)
        self.assertIn("/before", (folder / "access.log.1").read_text())
        self.assertNotIn("/before", log.read_text())


@unittest.skipUnless(yaml, "python3-yaml")
class Kubernetes(ProxyTest):
    def setUp(self) -> None:
        text = (documents.PACKAGING / "kubernetes/gateway.yaml").read_text()
        self.parts = {each["kind"]: each for each in yaml.safe_load_all(text)}
        self.pod = self.parts["Deployment"]["spec"]["template"]["spec"]
        self.containers = {each["name"]: each for each in self.pod["containers"]}

    def config(self) -> Path:
        file = self.folder() / "proxy.toml"
        file.write_text(self.parts["ConfigMap"]["data"]["proxy.toml"])
        return file

    def test_each_file_is_yaml_that_kubernetes_knows(self):
        for path in (documents.PACKAGING / "kubernetes").glob("*.yaml"):
            for each in yaml.safe_load_all(path.read_text()):
                self.assertTrue(each["apiVersion"] and each["kind"] and each["metadata"]["name"], path.name)

    def test_the_config_of_its_config_map(self):
        done = run_program("--check-config", "--config", str(self.config()))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_its_names_and_times_fit_together(self):
        labels = self.parts["Deployment"]["spec"]["template"]["metadata"]["labels"]
        for kind in ("Service", "NetworkPolicy", "PodDisruptionBudget", "Deployment"):
            spec = self.parts[kind]["spec"]
            chosen = spec.get("podSelector") or spec.get("selector")
            self.assertEqual(chosen.get("matchLabels", chosen), labels, kind)
        proxy = self.containers["proxy"]
        ports = {each["name"]: each["containerPort"] for each in proxy["ports"]}
        text = self.config().read_text()
        self.assertIn(f'port = {ports["proxy"]}', text)
        self.assertIn(f':{ports["admin"]}"', text)
        drain = int(re.search(r'drain_timeout = "(\d+)s"', text)[1])
        pause = int(proxy["lifecycle"]["preStop"]["exec"]["command"][1])
        self.assertLess(drain + pause, self.pod["terminationGracePeriodSeconds"])

    def test_it_runs_with_that_config_and_answers_the_probes(self):
        file = self.config()
        file.write_text(documents.replaced(file.read_text(), _18100=0, _9100=0))
        proxy = self.start_proxy("--config", str(file), port=None, threads=None)
        admin = proxy.wait_for_log(r"admin on \S+:(\d+)")[1]
        for probe in ("readinessProbe", "livenessProbe"):
            path = self.containers["proxy"][probe]["httpGet"]["path"]
            self.curl("-f", f"http://127.0.0.1:{admin}{path}", through=False)
        self.assertEqual(self.get("http://github.com/", proxy).status, 403, "not a pod")

    def tick(self, clock: Path) -> None:
        """Ends one pause."""
        def rings() -> bool:
            try:
                os.close(os.open(clock, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:  # nobody waits yet
                return False
            return True
        wait_until(rings, "the script waits", TIMEOUT)

    def swap(self, file: Path, text: str) -> None:
        """At once, as the kubelet does."""
        new = file.with_suffix(".new")
        new.write_text(text)
        new.rename(file)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "root, for a process namespace of its own")
    def test_a_changed_config_map_is_read_again(self):
        """The reloader's own script, with the proxy, in a namespace where it sees nobody else."""
        file = self.config()
        text = documents.replaced(file.read_text(), _18100=0, _9100=0)
        text = text.replace("10.244.0.0/16", "192.0.2.0/24")
        file.write_text(text)
        script = self.containers["reload"]["command"][2]
        clock = self.folder() / "clock"
        os.mkfifo(clock)
        # lint-ok(sleep): the packaged script's own pause, which ends when the test says so
        for old, new in (("/etc/co_http_proxy/proxy.toml", str(file)), ("sleep 5", f"cat {clock}")):
            self.assertIn(old, script)
            script = script.replace(old, new)
        watcher = self.folder() / "watcher"
        watcher.write_text(script)
        inside = 'sh "$0" & exec "$@"'
        probe = run("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "true")
        if probe.returncode != 0:
            self.skipTest(f"no namespace: {probe.stderr}")
        proxy = self.start_proxy("--config", str(file), port=None, threads=None,
                                 under=("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
                                        inside, str(watcher)))
        proxy.assert_nothing_left = lambda: None  # it is a child of unshare
        self.addCleanup(lambda: proxy.process.poll() is None and proxy.kill())
        site = self.site(lambda asked: response("ok"))
        self.assertEqual(self.get(site.url(), proxy).status, 403)
        self.tick(clock)
        proxy.wait_for_log(r"info reloaded")
        here = text.replace("guard = true", "guard = false").replace("192.0.2.0/24", "127.0.0.0/8")
        here = here.replace('["github.com", "*.debian.org"]', '["127.0.0.1"]').replace("ports = [80, 443]", "")
        self.swap(file, here)
        self.tick(clock)
        wait_until(lambda: proxy.log_text().count("info reloaded") == 2, "it is read again", TIMEOUT)
        self.assertEqual(self.get(site.url(), proxy).status, 200)
        self.swap(file, "nonsense")
        self.tick(clock)
        proxy.wait_for_log("not reloaded")
        self.assertEqual(self.get(site.url(), proxy).status, 200)
        proxy.kill()


if __name__ == "__main__":
    unittest.main()
