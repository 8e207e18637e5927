"""What the documents for operators show: their blocks, and the files under packaging/."""
import re
from dataclasses import dataclass
from pathlib import Path

import settings

ROOT = settings.HERE.parents[1]
OPERATIONS = ROOT / "docs/operations"
PACKAGING = ROOT / "packaging"

FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    page: str
    line: int  # of its first line
    language: str
    text: str


def pages() -> list[Path]:
    return sorted(OPERATIONS.rglob("*.md"))


def page(name: str) -> str:
    return (OPERATIONS / name).read_text()


def blocks(language: str, *names: str) -> list[Block]:
    """Those of all pages, or of the named ones."""
    found = []
    for path in [OPERATIONS / name for name in names] or pages():
        text = path.read_text()
        for match in FENCED.finditer(text):
            if match[1] == language:
                line = text.count("\n", 0, match.start()) + 2
                found.append(Block(str(path.relative_to(OPERATIONS)), line, language, match[2]))
    return found


def replaced(text: str, **changes: object) -> str:
    """The text with other ports or paths; each must be there. Names are words of it with _ for what is no letter."""
    for old, new in changes.items():
        word = old.lstrip("_")
        if not re.search(rf"\b{word}\b", text):
            raise AssertionError(f"no {word} in:\n{text}")
        text = re.sub(rf"\b{word}\b", str(new), text)
    return text
