"""One outside system a file: Postgres, audit, policy, key files, providers."""
