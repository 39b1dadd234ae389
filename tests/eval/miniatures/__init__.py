"""The smallest trees of files in the official layouts of benchmarks."""
