"""Measure the service and its peers. `python -m benchmarks --help`."""
