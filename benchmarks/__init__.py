"""What the library costs, as ratios to what the same work costs without it: ``python -m benchmarks``.

Baseline and subject take turns in one run, so that a machine which slows down slows both.
"""
