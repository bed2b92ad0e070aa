"""Benchmarks: how well and how fast real and made scans are read."""
