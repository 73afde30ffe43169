"""Writes the generated files and sections. `make interfaces` runs `python -m generate`."""
