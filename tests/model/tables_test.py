"""The tables of the models follow the code, and nonsense gets one clear line."""
import pathlib
import re
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True

import mutants
import plan

here = pathlib.Path(__file__).resolve().parent
src = here.parent.parent / "src"
everything = [*mutants.table, *(one for one, _ in mutants.equivalent)]


def registered():
    """Scenario names and the files they are in."""
    return {name: source.stem for source in (here / "scenarios").glob("*_model.cpp")
            for name in re.findall(r'model::registered<.*?> \w+\(\s*"(\w+)"', source.read_text())}


def run(*words):
    done = subprocess.run([here / "run", *words], capture_output=True, text=True)
    return done.returncode, done.stderr


class Tables(unittest.TestCase):
    def test_the_text_of_each_mutant_is_there_once(self):
        for one in everything:
            with self.subTest(one.name):
                self.assertEqual((src / one.file).read_text().count(one.old), 1, one.old)
                self.assertNotEqual(one.old, one.new)

    def test_mutants_have_names_of_their_own(self):
        names = [one.name for one in everything]
        self.assertEqual(len(names), len(set(names)))
        self.assertGreaterEqual(len(names), 16)

    def test_each_mutant_names_scenarios_of_its_group(self):
        where = registered()
        for one in everything:
            for scenario in one.scenarios:
                self.assertEqual(where.get(scenario), one.group, f"{one.name}: {scenario}")

    def test_each_scenario_is_planned_and_tested(self):
        self.assertEqual(set(registered()), set(plan.searches))
        groups = re.search(r"ITEMS ([a-z_ ]+)\)", (here / "CMakeLists.txt").read_text())[1].split()
        for name in [*plan.searches, *(one[0] for one in plan.promela["short"])]:
            self.assertTrue(name.startswith(tuple(groups)), f"no test runs {name}")

    def test_every_order_stronger_than_relaxed_has_a_mutant_or_a_reason(self):
        """Each line with such an order is the text of a mutant, or of the table of equivalents."""
        known = [(one.file, one.old) for one in everything]
        for source in sorted({src / file for file, _ in known}):
            for number, line in enumerate(source.read_text().split("\n"), 1):
                for strong in re.findall(r"\w*\W*memory_order_(?:acquire|release|acq_rel|seq_cst)", line):
                    covered = any(file == str(source.relative_to(src)) and strong in text and
                                  any(part in line for part in text.split("\n")) for file, text in known)
                    self.assertTrue(covered, f"{source.relative_to(src)}:{number}: {line.strip()}")


class Arguments(unittest.TestCase):
    def refuses(self, expected, *words):
        code, text = run(*words)
        self.assertEqual(code, 2, text)
        self.assertEqual(text.count("\n"), 1, text)
        self.assertIn(expected, text)

    def test_nonsense_gets_one_line(self):
        self.refuses("unknown mode 'nonsense'", "nonsense")
        self.refuses("unknown or incomplete option '--seed'", "short", "--seed", "1")
        self.refuses("unknown or incomplete option '--only'", "full", "--only")
        self.refuses("regular expression", "short", "--only", "(")
        self.refuses("unknown or incomplete option 'full'", "short", "full")


if __name__ == "__main__":
    unittest.main()
