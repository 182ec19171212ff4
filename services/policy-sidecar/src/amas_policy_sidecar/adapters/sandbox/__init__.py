"""The jail around a tool server that the policy-sidecar starts: bubblewrap, a system call filter and rlimits."""
