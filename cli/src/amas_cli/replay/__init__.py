"""Runs a recorded run again, offline: the orchestrator's own code, with the record in place of the world (I10)."""
