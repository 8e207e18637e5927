#!/usr/bin/env python3
"""The example program asks dnsmasq, a name server that is not ours, for every kind of record.

usage: dnsmasq_test.py PROGRAM
"""
import shutil
import socket
import subprocess
import sys
import unittest

PROGRAM = ""
RECORDS = [
    "--host-record=host.test.example,192.0.2.10,2001:db8::10,77",
    "--cname=www.test.example,host.test.example",
    "--srv-host=_imap._tcp.test.example,host.test.example,993,10,5",
    "--srv-host=_imap._tcp.test.example,backup.test.example,143,20,5",
    "--srv-host=_none._tcp.test.example",
    "--mx-host=test.example,host.test.example,10",
    "--txt-record=test.example,v=spf1 -all,and more",
    "--dns-rr=test.example,257,000569737375652274657374",
    "--local=/test.example/",
] + [f"--txt-record=big.test.example,{'x' * 200}{number}" for number in range(20)]


def free_port():
    """One that nobody has for UDP nor for TCP, just now."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return tcp.getsockname()[1]


def start_server():
    """dnsmasq and its port; another port when somebody was faster."""
    program = shutil.which("dnsmasq") or shutil.which("dnsmasq", path="/usr/sbin:/sbin")
    if not program:
        sys.exit("dnsmasq is missing: Debian package dnsmasq-base")
    for _ in range(20):
        try:
            port = free_port()
        except OSError:
            continue
        server = subprocess.Popen(
            [program, "--keep-in-foreground", "--conf-file=/dev/null", f"--port={port}", "--listen-address=127.0.0.1",
             "--bind-interfaces", "--no-resolv", "--no-hosts", "--no-poll", "--pid-file", "--user=", "--group=",
             "--log-facility=-", *RECORDS], stderr=subprocess.PIPE, text=True)
        for line in server.stderr:  # its first line says that it serves, or why it does not
            if "started" in line:
                return server, port
            if "failed" in line or "in use" in line:
                break
        server.kill()
        server.wait()
        server.stderr.close()
    sys.exit("dnsmasq does not start")


class Dnsmasq(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server, cls.port = start_server()

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait(timeout=20)
        cls.server.stderr.close()

    def ask(self, *words):
        done = subprocess.run([PROGRAM, f"@127.0.0.1:{self.port}", *words], capture_output=True, text=True, timeout=60,
                              check=False)
        return done.stdout + done.stderr

    def test_addresses_of_both_families_through_an_alias(self):
        self.assertEqual(self.ask("www.test.example."), "www.test.example is an alias\n"
                         "host.test.example has address 2001:db8::10\nhost.test.example has address 192.0.2.10\n")

    def test_names_of_addresses(self):
        self.assertEqual(self.ask("192.0.2.10"), "192.0.2.10 is host.test.example\n")
        self.assertEqual(self.ask("2001:db8::10"), "2001:db8::10 is host.test.example\n")

    def test_services_in_order_with_the_addresses_of_their_targets(self):
        self.assertEqual(self.ask("_imap._tcp.test.example", "srv"),
                         "priority 10 weight 5 host.test.example:993 2001:db8::10 192.0.2.10\n"
                         "priority 20 weight 5 backup.test.example:143\n")
        self.assertIn("service not offered", self.ask("_none._tcp.test.example", "srv"))

    def test_mail_texts_and_types_nobody_knows(self):
        self.assertEqual(self.ask("test.example", "mx"), "preference 10 host.test.example\n")
        self.assertEqual(self.ask("test.example", "txt"), "text v=spf1 -alland more\n")
        self.assertIn("00 05 69 73 73 75 65 22 74 65 73 74", self.ask("test.example", "257"))

    def test_an_answer_that_needs_tcp(self):
        lines = self.ask("big.test.example", "txt").splitlines()
        self.assertEqual(len(lines), 20)
        self.assertEqual(sorted(lines)[0], "text " + "x" * 200 + "0")

    def test_what_is_not_there(self):
        self.assertIn("name not found", self.ask("none.test.example."))
        self.assertIn("name has no such data", self.ask("host.test.example", "txt"))


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
