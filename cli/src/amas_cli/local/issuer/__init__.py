"""A development OIDC issuer for one machine. It must never listen beyond loopback."""
