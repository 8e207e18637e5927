#!/usr/bin/env python3
"""What co_probe writes is read by others: JSON by Python's parser, pages as XML, and nothing in them loads anything."""
import json
import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path

XHTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"


class Reports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        subprocess.run([os.environ["CO_WQ_PROBE_TESTS"], "--gtest_filter=Report.WritesSamples"], check=True,
                       stdout=subprocess.DEVNULL, env=os.environ | {"CO_WQ_REPORTS": cls.folder.name}, timeout=100)

    def load(self, name: str) -> dict:
        def refuse(constant: str):
            raise ValueError(f"{constant} is not JSON")
        return json.loads((Path(self.folder.name) / f"{name}.json").read_text(), parse_constant=refuse)

    def page(self, name: str) -> ET.Element:
        return ET.parse(Path(self.folder.name) / f"{name}.html").getroot()

    def test_json_of_a_run(self):
        report = self.load("run")
        run = report["runs"][0]
        self.assertEqual(report["exit_code"], 1)
        self.assertEqual(report["command"], 'co_probe run <"x">')
        self.assertEqual(run["errors_by_kind"], {"wrong content": 4})
        self.assertIn('"quoted" <text>', run["examples"]["wrong content"])
        self.assertEqual(run["rate"], 500)
        self.assertAlmostEqual(run["latency"]["p99.9_ns"], 999_000, delta=999)
        self.assertEqual(len(run["seconds"]), 2)
        self.assertEqual(run["fault"]["mode"], "abort-at")

    def test_json_of_a_comparison(self):
        report = self.load("compare")
        self.assertEqual(len(report["direct"]), 3)
        self.assertEqual(len(report["proxy"]), 3)
        self.assertAlmostEqual(report["ratio"]["p50"], 4, delta=0.02)

    def test_json_without_figures(self):
        self.assertEqual(self.load("empty")["runs"][0]["latency"]["count"], 0)
        self.assertIsNone(self.load("nothing")["ratio"]["rate"])

    def test_pages(self):
        for name, plots in (("run", 4), ("compare", 2), ("empty", 0), ("nothing", 1)):
            with self.subTest(name):
                root = self.page(name)
                self.assertEqual(len(list(root.iter(f"{SVG}svg"))), plots)
                for element in root.iter():
                    self.assertNotIn(element.tag.rpartition("}")[2], ("script", "link", "img", "iframe", "object"))
                    for attribute, value in element.attrib.items():
                        self.assertNotIn(attribute, ("src", "href", "onload"))
                        self.assertNotIn("url(", value)
                style = "".join(next(root.iter(f"{XHTML}style")).itertext())
                self.assertIn("prefers-color-scheme: dark", style)
                self.assertNotIn("url(", style)
                self.assertNotIn("@import", style)

    def test_what_came_from_outside_is_text(self):
        text = "".join(self.page("run").itertext())
        self.assertIn('a "quoted" <text>', text)
        self.assertIn('co_probe run <"x">', text)


if __name__ == "__main__":
    unittest.main()
