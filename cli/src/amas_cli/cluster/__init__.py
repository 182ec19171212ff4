"""Programs of the cli image that run inside a cluster: they prepare an installation, and test one."""
