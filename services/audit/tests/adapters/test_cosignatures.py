"""Which checkpoint has enough cosignatures."""

from __future__ import annotations

import pytest
from amas_audit.adapters.postgres_cosignatures import PostgresCosignatures
from amas_audit.adapters.postgres_pool import Pool

pytestmark = pytest.mark.integration

KEY_ID = b"\x01\x02\x03\x04"
# Lines that one witness leaves alone: at one a second, more than an hour.
ALONE = 4000


async def test_the_last_with_enough_names_is_found_however_long_a_witness_is_away(pool: Pool) -> None:
    """What one witness cosigned alone since then, however much it is, hides it not."""
    cosignatures = PostgresCosignatures(pool)
    assert await cosignatures.newest(1) is None
    await cosignatures.keep(7, "b", KEY_ID, "b of 7\n")
    await cosignatures.keep(7, "a", KEY_ID, "a of 7\n")
    await pool.execute(
        "INSERT INTO audit.cosignature (size, witness, key_id, line) "
        "SELECT 7 + n, 'a', $1, 'alone' FROM generate_series(1, $2::int) AS n",
        KEY_ID,
        ALONE,
    )
    assert await cosignatures.newest(2) == (7, ("a of 7\n", "b of 7\n"))
    assert await cosignatures.newest(1) == (7 + ALONE, ("alone",))
    assert await cosignatures.newest(3) is None
