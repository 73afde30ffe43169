"""The capacity of one scenario: `python -m bench.capacity`."""

from bench.capacity.report import main

main()
