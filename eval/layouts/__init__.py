"""Readers of what several benchmarks share: trees, depth maps, camera files."""
