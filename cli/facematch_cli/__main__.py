"""The program: ``python -m facematch_cli``."""

from facematch_cli.main import main

main()
