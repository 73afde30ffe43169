import fcntl
from pathlib import Path

import pytest

from local.stack import lock_build


def test_only_one_program_builds_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "build.lock"
    with path.open("w") as other:
        with lock_build(path), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
