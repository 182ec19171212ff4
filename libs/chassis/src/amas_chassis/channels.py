"""Channels to other services: mutual TLS that follows its files, deadlines, bounded retries, trace context.

A client asks for `Client.stub` at each use and always gets one on a channel with the current certificate. It must never
make a call without a deadline.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import grpc

from .client_calls import CountedCalls, OutgoingChannel
from .clock import Clock, SystemClock
from .mux.client import MuxChannel
from .tls import FileWatch, TlsFiles, client_credentials

__all__ = ["Client", "ClientChannels"]

_log = logging.getLogger(__name__)
StubT = TypeVar("StubT")

# Largest message either way (bytes): a bundle is at most 16 MiB, plus its envelope.
MAX_MESSAGE_BYTES = 20 * 1024 * 1024
# How often the certificate files are looked at (seconds).
RELOAD_CHECK_SECONDS = 1.0
# How long a replaced channel may live on for the calls that it carries (seconds): the longest stream.
RETIRE_SECONDS = 3_600.0
# Streams over which a multiplexed client spreads its calls where a name may have several peers: gRPC opens them on one
# peer after the other, so that none goes without calls. With more peers than this they take turns as streams age.
SPREAD_STREAMS = 6
# A streaming call without a time-out of its own ends after this (seconds); watchers resume.
STREAM_TIMEOUT_SECONDS = 3_600.0

# Every method is idempotent (by an id or an idempotency key), so that UNAVAILABLE may be asked again: at most three
# more times, within the call's deadline, and not at all while a third of calls fail (gRFC A6). CANCELLED from a peer
# means the same: a gRPC server that stops says it to calls that no handler began (grpc/grpc#41785) and to those that
# outlast its drain; where it is not asked again, it is UNAVAILABLE to us (`rpc_errors.py`). A call that we cancel
# ourselves is over at once.
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
    # Half of the tokens may be used up, one a failure: the queue of a peer that stops must fit in. 1000 is gRPC's most.
    "retryThrottling": {"maxTokens": 1000, "tokenRatio": 0.5},
}


class ClientChannels:
    """The channels of one process. Use it from one event loop."""

    def __init__(
        self, tls: TlsFiles, caller: str, *, name_suffix: str = "amas.internal", clock: Clock | None = None
    ) -> None:
        """`name_suffix` is the trust domain: servers are checked to be `<service>.<name_suffix>`."""
        self._watch = FileWatch(tls)
        self._material = self._watch.material
        self._caller = caller
        self._name_suffix = name_suffix
        self._clock = clock or SystemClock()
        self._next_check = self._clock.monotonic()
        self._generation = 0
        self._open: dict[tuple[str, str], _Connection] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._closed = False

    def client(
        self, stub_class: Callable[[Any], StubT], target: str, server_name: str, *, default_timeout: float = 5.0
    ) -> Client[StubT]:
        """A client of `server_name` at `target` ("host:port", "dns:///name:port" or "unix:/path").

        `default_timeout` (seconds) holds for unary calls without one; no call outlives the call being served.
        """
        return Client(self, stub_class, target, server_name, default_timeout)

    def mux_client(
        self, stub_class: Callable[[Any], StubT], target: str, server_name: str, *, default_timeout: float = 5.0
    ) -> Client[StubT]:
        """The same, for a hop with many calls: they go as frames on a long-lived stream that both ends keep open.

        The server must be one of ours with a caller list. A call is sent once: UNAVAILABLE is not asked again unless it
        was never handed to gRPC. One that broke under way says so by a negative `grpc-retry-pushback-ms` (gRFC A6).
        """
        return Client(self, stub_class, target, server_name, default_timeout, multiplexed=True)

    async def close(self) -> None:
        """Cancel what is still under way and close every channel."""
        self._closed = True
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        connections, self._open = list(self._open.values()), {}
        await asyncio.gather(*(connection.close() for connection in connections))

    def connection(self, target: str, server_name: str) -> _Connection:
        """The current connection; a new one, the old one left to end its calls, when the certificate changed."""
        if self._closed:
            raise RuntimeError("the channels are closed")
        self._reload()
        key = (target, server_name)
        current = self._open.get(key)
        if current is None or current.generation != self._generation:
            if current is not None:
                self._retire(current)
            spread = SPREAD_STREAMS if _may_have_several_peers(target) else 1
            current = _Connection(self._channel(target, server_name), self._generation, spread)
            self._open[key] = current
        return current

    def renew(self, target: str, server_name: str) -> None:
        """The next call is made over a new channel; calls under way end on the one that there was.

        For a peer that nobody could reach for a while: a channel looks a name that did not resolve up again after a
        growing pause of up to two minutes, which no option of grpc bounds. A new one looks at once.
        """
        current = self._open.pop((target, server_name), None)
        if current is not None and not self._closed:
            self._retire(current)

    def _reload(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + RELOAD_CHECK_SECONDS
        material = self._watch.changed()
        if material is not None:
            self._material = material
            self._generation += 1

    def _retire(self, connection: _Connection) -> None:
        async def close_when_idle() -> None:
            try:
                await asyncio.wait_for(connection.calls.idle(), RETIRE_SECONDS)
            except TimeoutError:
                _log.warning("closing a replaced channel with calls under way")
            finally:
                await connection.close()

        task = asyncio.create_task(close_when_idle())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _channel(self, target: str, server_name: str) -> grpc.aio.Channel:
        options = channel_options(self._caller)
        options.append(("grpc.ssl_target_name_override", f"{server_name}.{self._name_suffix}"))
        return grpc.aio.secure_channel(target, client_credentials(self._material), options=options)


class _Connection:
    """One channel, the certificate generation that it was made with, and the calls that it carries."""

    __slots__ = ("_mux", "_spread", "calls", "channel", "generation")

    def __init__(self, channel: grpc.aio.Channel, generation: int, spread: int) -> None:
        self.channel = channel
        self.generation = generation
        self.calls = CountedCalls()
        self._mux: MuxChannel | None = None
        self._spread = spread

    def mux(self) -> MuxChannel:
        """The streams that carry many calls each; opened with the first call."""
        if self._mux is None:
            self._mux = MuxChannel(self.channel, self._spread)
        return self._mux

    async def close(self) -> None:
        """End what is still under way."""
        if self._mux is not None:
            await self._mux.close()
        await self.channel.close(None)


class Client(Generic[StubT]):
    """A service's stub that is always the current one."""

    def __init__(
        self,
        channels: ClientChannels,
        stub_class: Callable[[Any], StubT],
        target: str,
        server_name: str,
        default_timeout: float,
        *,
        multiplexed: bool = False,
    ) -> None:
        self._channels = channels
        self._multiplexed = multiplexed
        self._stub_class = stub_class
        self._target = target
        self._server_name = server_name
        self._default_timeout = default_timeout
        self._connection: _Connection | None = None
        self._stub: StubT | None = None

    @property
    def stub(self) -> StubT:
        """The stub to call now; do not keep it."""
        connection = self._channels.connection(self._target, self._server_name)
        if self._stub is None or connection is not self._connection:
            carrier = connection.mux() if self._multiplexed else connection.channel
            channel = OutgoingChannel(carrier, connection.calls, self._default_timeout, STREAM_TIMEOUT_SECONDS)
            self._stub = self._stub_class(channel)
            self._connection = connection
        return self._stub

    def renew(self) -> None:
        """See ClientChannels.renew."""
        self._channels.renew(self._target, self._server_name)


def _may_have_several_peers(target: str) -> bool:
    """A name that DNS answers with all pods, or a list of addresses."""
    return target.startswith("dns:") or "," in target


def channel_options(caller: str) -> list[tuple[str, Any]]:
    """The options of a client channel."""
    return [
        ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
        ("grpc.enable_retries", 1),
        ("grpc.primary_user_agent", caller),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        # A peer that vanished without a word is noticed within 40 s, also between calls.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # A peer that restarts is found again within 2 s, not after grpc's default of up to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1_000),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.dns_min_time_between_resolutions_ms", 2_000),
    ]
