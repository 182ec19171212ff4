"""How providers are spoken to, one API a module."""
