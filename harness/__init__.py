"""Shared by tests, benchmarks and the audit: drives a deployed stack, injects faults, checks the results."""
