"""Makes what an installation needs before its pods start: Secrets in its namespace, and roles in its database."""
