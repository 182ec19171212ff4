"""The REST API under /v1, one area a file."""
