"""A real Kubernetes on one machine: built from package registries, started as processes, gone without a trace."""
