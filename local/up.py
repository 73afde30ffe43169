"""`make up` and `make down`: start and stop a local stack."""

import json
import os
import sys
from typing import Final

from local.processes import LOCAL, LocalError, Ports, end_process_group, is_local_program, start
from local.stack import STACK_FILE, build, deploy

PROCESSES_FILE: Final = LOCAL / "processes.json"


def bring_up(ports: Ports) -> None:
    """Start, build and deploy a stack. Write its addresses and its process ids to `.local`.

    Raises
    ------
    LocalError
        A stack runs already, or the stack cannot start.
    """
    if any(is_local_program(process_id) for process_id in _read_processes()):
        raise LocalError("A local stack runs already (.local/stack.json). Run `make down` to end it.")
    print("Starting the local cloud and the FaceCompare emulator …")
    running = start(ports, LOCAL / "up", judge="faces")
    try:
        build()
        stack = deploy(running)
    except BaseException:
        running.stop()
        raise
    PROCESSES_FILE.write_text(json.dumps([running.cloud.pid, running.emulator.pid]))
    stack.save()
    print(STACK_FILE.read_text(), end="")
    print("The stack runs until `make down`. Its addresses are in .local/stack.json.")


def take_down() -> None:
    """End the processes that `bring_up` started."""
    running = [process_id for process_id in _read_processes() if is_local_program(process_id)]
    for process_id in running:
        end_process_group(process_id)
    PROCESSES_FILE.unlink(missing_ok=True)
    STACK_FILE.unlink(missing_ok=True)
    print("The local stack has ended." if running else "No local stack runs.")


def _read_processes() -> list[int]:
    try:
        processes: list[int] = json.loads(PROCESSES_FILE.read_text())
    except FileNotFoundError:
        return []
    return processes


def read_ports() -> Ports:
    """Return the ports from the environment, or the defaults.

    Raises
    ------
    LocalError
        A value is not a port.
    """
    chosen = {}
    for field, variable in (("cloud", "CLOUD_PORT"), ("emulator", "EMULATOR_PORT")):
        text = os.environ.get(variable, "")
        if text and not (text.isdecimal() and int(text) < 65_528):  # noqa: PLR2004 - leaves room for the next ports
            raise LocalError(f"{variable} must be a port number, or 0 for a free port, not {text!r}.")
        if text:
            chosen[field] = int(text)
    return Ports(**chosen)


if __name__ == "__main__":
    try:
        take_down() if sys.argv[1:] == ["down"] else bring_up(read_ports())
    except LocalError as error:
        sys.exit(str(error))
