"""The table says what was decided, in the form that nft takes."""

from __future__ import annotations

from amas_test_cluster.netpol.rendering import render

from .world import egress, ingress, shut


def test_nothing_is_isolated() -> None:
    """Then nothing is dropped."""
    text = render([])
    assert "drop" not in text
    assert text.startswith("table inet amas_netpol\ndelete table inet amas_netpol\ntable inet amas_netpol {\n")


def test_what_comes_in() -> None:
    """Looked up by where it goes, on its way between pods; what the node sends passes no chain of ours."""
    web = {"podSelector": {"matchLabels": {"app": "web"}}}
    ports = [{"port": 8080}, {"port": 8081}, {"port": 8443}, {"port": 53, "protocol": "UDP"}]
    text = render(shut(ingress({"from": [web], "ports": ports})))
    assert "    ip daddr vmap { 10.243.0.3 : jump in-0 }" in text
    assert "    ip saddr { 10.243.0.2/32 } tcp dport { 8080-8081, 8443 } return" in text
    assert "    ip saddr { 10.243.0.2/32 } udp dport { 53 } return" in text
    assert "hook output" not in text
    assert text.index("ct state established,related accept") < text.index("vmap")


def test_what_goes_out() -> None:
    """Looked up by where it comes from, on its way to pods and to the node."""
    text = render(shut(egress({"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]})))
    assert text.count("    ip saddr vmap { 10.243.0.2 : jump out-0 }") == 2
    assert "    ip daddr { 192.0.2.0/24 } return\n    counter drop" in text
    assert "    ip saddr . ip daddr { 10.243.0.2 . 10.243.0.2 } accept" in text


def test_a_table_of_another_name() -> None:
    """One does not touch the other."""
    assert "amas_netpol " not in render([], "amas_netpol_other")
