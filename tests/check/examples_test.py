import unittest

from sample import CheckTest

SOURCE = "// What it shows.\n// How.\n\n#include <a>\n\nint main() {}\n"


def page(block: str) -> str:
    return f"# Title\n\n<!-- example: examples/a.cpp -->\n{block}\nmore\n"


class Examples(CheckTest):
    check = "examples"

    def test_an_equal_block_is_accepted(self):
        self.accepts({"README.md": page("```cpp\n#include <a>\n\nint main() {}\n```"), "examples/a.cpp": SOURCE,
                      "docs/b.md": "```cpp\nanything without a marker\n```\n"})

    def test_a_different_block_is_refused(self):
        self.refuses({"README.md": page("```cpp\n#include <a>\n\nint main() { }\n```"), "examples/a.cpp": SOURCE},
                     "README.md:3: the block differs from examples/a.cpp")

    def test_a_missing_block_is_refused(self):
        self.refuses({"docs/a.md": page("text\n```cpp\n#include <a>\n\nint main() {}\n```"), "examples/a.cpp": SOURCE},
                     "docs/a.md:3: no ```cpp block")

    def test_a_missing_example_is_refused(self):
        self.refuses({"README.md": page("```cpp\nx\n```")}, "README.md:3: examples/a.cpp does not exist")


if __name__ == "__main__":
    unittest.main()
