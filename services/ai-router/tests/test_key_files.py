"""Keys of providers in a Secret's volume: the next call uses what is there now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amas_ai_router.adapters.key_files import KeyFiles


def test_a_replaced_volume_gives_the_new_key(mounted_secret: Callable[[dict[str, bytes]], Any]) -> None:
    """A rotation needs no restart: a kubelet swaps the folder that the file is a link into."""
    mounted = mounted_secret({"provider": b"first-key\n"})
    keys = KeyFiles(mounted.folder)
    assert keys.read("provider").text == "first-key"
    mounted.update({"provider": b"other-key\n"})
    assert keys.read("provider").text == "other-key"
