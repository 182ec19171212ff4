"""Which checkpoint has enough cosignatures."""

from __future__ import annotations

import pytest
from amas_audit.adapters.postgres_cosignatures import PostgresCosignatures
from amas_audit.adapters.postgres_pool import Pool
from amas_audit.domain.witnessing import WitnessKey

pytestmark = pytest.mark.integration

A, B, GONE = (WitnessKey(name, bytes([number]) * 32) for number, name in enumerate("abc"))
KEY_ID = A.key_id
# Lines that one witness leaves alone: at one a second, more than an hour.
ALONE = 4000


async def test_the_last_with_enough_names_is_found_however_long_a_witness_is_away(pool: Pool) -> None:
    """What one witness cosigned alone since then, however much it is, hides it not."""
    cosignatures = PostgresCosignatures(pool, [A, B])
    assert await cosignatures.newest(1) is None
    await cosignatures.keep(7, "b", B.key_id, "b of 7\n")
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


async def test_a_witness_that_has_gone_or_had_another_key_does_not_count(pool: Pool) -> None:
    """A quorum is of those that are asked now, each once."""
    cosignatures = PostgresCosignatures(pool, [A, B])
    await cosignatures.keep(9, "a", A.key_id, "a of 9\n")
    await cosignatures.keep(9, "a", GONE.key_id, "a of 9, by the key that it had\n")
    await cosignatures.keep(9, GONE.name, GONE.key_id, "c of 9\n")
    assert await cosignatures.newest(2) is None
    assert await cosignatures.newest(1) == (9, ("a of 9\n",))
