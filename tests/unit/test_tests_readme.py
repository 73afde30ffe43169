"""The tables of `tests/README.md` name each folder, factory and fake."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROWS = re.findall(r"^\| `([^`]+)`", (TESTS / "README.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_every_folder_factory_and_fake_has_one_row() -> None:
    folders = [f"{path.name}/" for path in TESTS.iterdir() if path.is_dir() and path.name[0] not in "._"]
    modules = [
        f"{folder}/{path.name}" for folder in ("factories", "fakes") for path in (TESTS / folder).glob("*.py")
    ]

    assert sorted(ROWS) == sorted([*folders, *modules])
