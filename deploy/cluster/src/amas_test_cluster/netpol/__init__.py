"""NetworkPolicies as nftables rules: stands in for a policy engine on the test cluster, which has none."""
