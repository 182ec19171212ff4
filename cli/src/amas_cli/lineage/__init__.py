"""Lineage of runs: which data reached what, from their records alone. Pure: no file, no network, no output."""
