"""kinds: what can be typed to kubectl can be typed to amas."""

from __future__ import annotations

import pytest
from amas_cli.kinds import parse_kind
from amas_governance.custom_resources import NAMES


@pytest.mark.parametrize("kind", NAMES)
def test_the_names_of_kubectl_are_known(kind: str) -> None:
    """Plural, singular and short names mean the same kind in both."""
    for name in (kind, kind.lower(), NAMES[kind].plural, *NAMES[kind].short):
        assert parse_kind(name) == kind
