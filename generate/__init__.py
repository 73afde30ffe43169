"""Writes what is generated: `python -m generate`, by way of `make interfaces`."""
