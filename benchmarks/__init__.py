"""How fast the service is, measured beside what one would build instead. `python -m benchmarks --help`."""
