"""The authority of an installation in its Secret, and its replacement in three steps while everything goes on.

`ca.crt` and `ca.key` sign. While it is replaced, `next.crt` and `next.key` wait until everybody trusts them, and then
`previous.crt` is trusted until nobody shows a certificate of it. No step is taken before pods have read the last one.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from amas_cli.certificates import Pair, ends_within, fits, new_authority
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .plain_secrets import Wanted, ensure_secret
from .ports import SecretStore, StoredSecret

KEYS = ("ca.crt", "ca.key")
SINCE = "since"
"""When the last step was taken (RFC 3339)."""
SETTLED = dt.timedelta(minutes=10)
"""A kubelet shows a changed Secret within about two minutes, a process reads it at its next connection: with room."""
RENEW_BEFORE = dt.timedelta(days=60)
"""An authority is replaced ahead of its end by more than the life of a certificate and of some missed jobs."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Authority:
    """Who signs now, and whom everybody trusts now (PEM, one or two certificates)."""

    signer: Pair
    trusted: bytes


class AuthoritySecret:
    """The Secret of one installation's authority."""

    def __init__(self, store: SecretStore, name: str, release: str) -> None:
        self._store = store
        self._name = name
        self._release = release

    def exists(self) -> bool:
        """Whether it was made."""
        return self._store.find(self._name) is not None

    def require(self) -> None:
        """CliError unless it is there and can sign."""
        self._stored()

    def ensure(self) -> Authority:
        """As it is, or made now. CliError for one that cannot sign."""
        return _usable(ensure_secret(self._store, Wanted(self._name, KEYS, self._new)))

    def is_due(self) -> bool:
        """Whether it nears its end, or is being replaced."""
        stored = self._stored()
        return SINCE in stored.data or ends_within(stored.data["ca.crt"], RENEW_BEFORE)

    def advance(self) -> str:
        """Takes the next step of its replacement; answers what was done. CliError if the last one is too fresh."""
        stored = self._stored()
        data = dict(stored.data)
        self._refuse_haste(stored)
        if "next.crt" in data:
            done = "the new authority signs, the old one is trusted still"
            fresh = {"ca.crt": data["next.crt"], "ca.key": data["next.key"], "previous.crt": data["ca.crt"]}
            fresh[SINCE] = _now()
        elif "previous.crt" in data:
            done = "the old authority is trusted no more"
            fresh = {"ca.crt": data["ca.crt"], "ca.key": data["ca.key"]}
        else:
            done = "a new authority is trusted beside the old one"
            pair = new_authority(_common_name(self._release))
            fresh = {**data, "next.crt": pair.cert, "next.key": pair.key, SINCE: _now()}
        self._write(stored, fresh)
        _log.info("a step of the authority's replacement", extra={"secret": self._name, "done": done})
        return done

    def restart_pause(self) -> None:
        """Counts from now what pods have to read: a Secret was behind the last step."""
        stored = self._stored()
        if SINCE in stored.data:
            self._write(stored, {**stored.data, SINCE: _now()})

    def _new(self) -> Mapping[str, bytes]:
        pair = new_authority(_common_name(self._release))
        return {"ca.crt": pair.cert, "ca.key": pair.key}

    def _stored(self) -> StoredSecret:
        stored = self._store.find(self._name)
        if stored is None:
            raise CliError(
                f"The secret {self._name} with the authority is not there.",
                next_step="run the set-up first, or restore it",
                exit_code=ExitCode.NOT_FOUND,
            )
        _usable(stored)
        return stored

    def _refuse_haste(self, stored: StoredSecret) -> None:
        if SINCE not in stored.data:
            return
        left = SETTLED - (dt.datetime.now(dt.UTC) - _moment(stored))
        if left > dt.timedelta(0):
            raise CliError(
                f"The authority's last step of replacement is {SETTLED - left} old, and pods may not have read it.",
                next_step=f"run this again in {int(left.total_seconds()) + 1} s",
                exit_code=ExitCode.CONFLICT,
            )

    def _write(self, stored: StoredSecret, data: Mapping[str, bytes]) -> None:
        if not self._store.replace(stored, data):
            raise CliError(
                f"The secret {self._name} was changed by somebody else at the same time.",
                next_step="run this again",
                exit_code=ExitCode.CONFLICT,
            )


def _usable(stored: StoredSecret) -> Authority:
    pair = Pair(stored.data["ca.crt"], stored.data["ca.key"])
    try:
        usable = fits(pair)
    except ValueError:
        usable = False
    if not usable:
        raise CliError(
            f"The secret {stored.name} cannot be used: it is no pair of a certificate and its key.",
            next_step="restore it",
            exit_code=ExitCode.CONFLICT,
        )
    if ends_within(pair.cert, dt.timedelta(0)):
        raise CliError(
            f"The authority in the secret {stored.name} has ended.",
            next_step="delete it and all secrets of certificates, run this again and restart all pods",
            exit_code=ExitCode.CONFLICT,
        )
    beside = stored.data.get("next.crt") or stored.data.get("previous.crt") or b""
    return Authority(pair, pair.cert + beside)


def _moment(stored: StoredSecret) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(stored.data[SINCE].decode())
    except ValueError as error:
        raise CliError(f"The secret {stored.name} has no time in `{SINCE}`.", exit_code=ExitCode.CONFLICT) from error


def _now() -> bytes:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds").encode()


def _common_name(release: str) -> str:
    # Two authorities side by side have different names, so that nobody looks for a signer among the wrong ones.
    return f"AMAS {release} CA {secrets.token_hex(4)}"
