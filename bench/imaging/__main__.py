"""The normaliser's benchmark: `python -m bench.imaging`."""

from bench.imaging.speed import main

main()
