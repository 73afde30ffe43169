"""What tests, benchmarks and the audit share: a deployed stack's driver, its faults, and its books."""
