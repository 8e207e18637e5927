import unittest

from sample import CheckTest


class Hygiene(CheckTest):
    check = "hygiene"

    def test_clean_files_are_accepted(self):
        self.accepts({"README.md": "# title\n\nGET http://host/work/file and src/root/x\n", "empty.txt": "",
                      "build/junk.txt": "x  \n", "blob.bin": "\0  \n"})

    def test_inputs_of_fuzzers_are_bytes_and_no_text(self):
        self.accepts({"tests/fuzz/corpus/x/seed": "GET / \r\n"})
        self.refuses({"tests/fuzz/x": "GET / \r\n"}, "tests/fuzz/x:1: a carriage return")

    def test_paths_of_one_machine_are_refused(self):
        for folder in ("work", "root", "home/someone"):
            with self.subTest(folder):
                self.refuses({"docs/a.md": f"see /{folder}/main/x\n"}, "docs/a.md:1: a path of one machine")

    def test_leftovers_are_refused(self):
        self.refuses({"a.cpp": "<<" + "<<<<< ours\nint a; \n\tint b;\nint c;\r\nint d;"},
                     "a.cpp:1: a conflict marker", "a.cpp:2: blanks", "a.cpp:3: a tab", "a.cpp:4: a carriage return",
                     "a.cpp:5: no newline")

    def test_a_script_must_be_executable(self):
        self.refuses({"tool": "#!/bin/sh\n"}, "tool:1: starts with #!")


if __name__ == "__main__":
    unittest.main()
