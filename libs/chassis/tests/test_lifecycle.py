"""A whole process: its start, its probes, its end."""

from __future__ import annotations

import asyncio
import json
import signal

import aiohttp
import grpc
from amas_chassis.channels import ClientChannels
from grpc_health.v1 import health_pb2, health_pb2_grpc

from .authority import Authority
from .conftest import SECONDS
from .echo import EchoRequest, EchoStub
from .processes import START_SECONDS, Start, calling

CALLERS = 8


async def test_sigterm_loses_no_accepted_call(start: Start, authority: Authority) -> None:
    """I12: every call that a handler began before the end is answered, under load, and the process exits with 0."""
    answered: set[str] = set()
    refused: list[grpc.StatusCode] = []

    async def hammer(stub: EchoStub, caller: int) -> None:
        for number in range(10_000):
            try:
                answered.add((await stub.Echo(EchoRequest(text=f"{caller}.{number}"), timeout=SECONDS)).text)
            except grpc.aio.AioRpcError as error:
                refused.append(error.code())
                return

    async with start() as process:
        await process.said("ready to serve")
        async with calling(process, authority) as stub:
            callers = [asyncio.create_task(hammer(stub, caller)) for caller in range(CALLERS)]
            async with asyncio.timeout(START_SECONDS):
                while len(answered) < 5 * CALLERS:
                    await asyncio.wait(callers, timeout=0.02)
            process.process.send_signal(signal.SIGTERM)
            code = await process.ended()
            await asyncio.gather(*callers)
        accepted = {line.split()[1] for line in process.notes() if line.startswith("accepted")}
    assert code == 0
    assert accepted == answered
    assert set(refused) == {grpc.StatusCode.UNAVAILABLE}


async def test_the_end_has_an_order(start: Start, authority: Authority) -> None:
    """Drain hooks, then the calls under way, then background work, then stop hooks."""
    async with start("held") as process:
        await process.said("ready to serve")
        async with calling(process, authority) as stub:
            call = asyncio.ensure_future(stub.Echo(EchoRequest(text="last"), timeout=SECONDS))
            async with asyncio.timeout(START_SECONDS):
                while not (process.folder / "notes").exists():
                    await asyncio.wait([call], timeout=0.01)
            process.process.send_signal(signal.SIGINT)
            assert (await call).text == "last"
            assert await process.ended() == 0
        assert process.notes() == ["accepted last", "on_drain", "answered last", "background ended", "on_stop"]


async def test_a_call_that_never_ends_is_cut_after_the_drain_timeout(start: Start, authority: Authority) -> None:
    """A stuck handler cannot keep the process alive; the process still ends in order."""
    async with start("stuck", DRAIN_TIMEOUT="0.3") as process:
        await process.said("ready to serve")
        async with calling(process, authority) as stub:
            call = asyncio.ensure_future(stub.Echo(EchoRequest(text="stuck"), timeout=2 * START_SECONDS))
            async with asyncio.timeout(START_SECONDS):
                while not (process.folder / "notes").exists():
                    await asyncio.wait([call], timeout=0.01)
            process.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(START_SECONDS):
                assert await process.ended() == 0
            await asyncio.gather(call, return_exceptions=True)
        assert process.notes()[-1] == "on_stop"


async def test_a_second_sigterm_ends_at_once(start: Start, authority: Authority) -> None:
    """An operator who insists is obeyed: no waiting for calls under way."""
    async with start("stuck") as process:
        await process.said("ready to serve")
        async with calling(process, authority) as stub:
            call = asyncio.ensure_future(stub.Echo(EchoRequest(text="stuck"), timeout=2 * START_SECONDS))
            async with asyncio.timeout(START_SECONDS):
                while not (process.folder / "notes").exists():
                    await asyncio.wait([call], timeout=0.01)
            process.process.send_signal(signal.SIGTERM)
            await process.said("draining")
            process.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(START_SECONDS):
                assert await process.ended() == 143
            await asyncio.gather(call, return_exceptions=True)
    assert "on_stop" not in process.notes()


async def test_a_background_task_that_crashes_ends_the_process(start: Start) -> None:
    """A service without its background work does not go on as if nothing were; the exit code says so."""
    async with start() as process:
        await process.said("ready to serve")
        (process.folder / "crash").touch()
        await process.said("a background task failed, ending")
        assert "the background broke" in str(process.lines[-1]["exception"])
        assert await process.ended() == 1
        assert process.notes()[-1] == "on_stop"


async def test_readiness_tells_the_truth(start: Start, authority: Authority) -> None:
    """/readyz and gRPC health follow the checks; /healthz does not; no address or secret leaks from a check."""
    files = authority.issue("stranger")
    async with start() as process, aiohttp.ClientSession() as http:
        await process.said("ready to serve")
        channels = ClientChannels(files, "stranger")
        health = channels.client(health_pb2_grpc.HealthStub, process.target, "server").stub
        request = health_pb2.HealthCheckRequest(service="chassis.test.v1.EchoService")
        for touched, status, serving in ((False, 200, "SERVING"), (True, 503, "NOT_SERVING")):
            if touched:
                (process.folder / "unready").touch()
            async with asyncio.timeout(START_SECONDS):
                while (await http.get(f"{process.http}/readyz")).status != status:  # noqa: ASYNC110 - over HTTP
                    await asyncio.sleep(0.05)
            answer = await health.Check(request)
            assert health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status) == serving
        body = await (await http.get(f"{process.http}/readyz")).text()
        assert json.loads(body)["failing"] == {"store": "ConnectionError"}
        assert (await http.get(f"{process.http}/healthz")).status == 200
        metrics = await http.get(f"{process.http}/metrics", headers={"Accept": "application/openmetrics-text"})
        assert "grpc_server_handling_seconds_bucket" in await metrics.text()
        await channels.close()


async def test_an_address_in_use_is_one_sentence(start: Start) -> None:
    """A port or socket that another process has ends the start with exit code 3 and no traceback."""
    async with start() as first:
        await first.said("ready to serve")
        async with start() as second:
            _, error = await second.process.communicate()
            assert second.process.returncode == 3
        sentence = error.decode().splitlines()[-1]
        assert sentence == f"server: {first.target} cannot be listened on: another process does"
        assert b"Traceback" not in error
        async with start(GRPC_LISTEN=f"unix:{first.folder}/b.sock", HTTP_LISTEN=first.http[7:]) as third:
            _, error = await third.process.communicate()
            assert third.process.returncode == 3
        assert error.decode().splitlines()[-1].endswith("cannot be listened on: Address already in use")


async def test_wrong_settings_are_one_sentence_a_variable(start: Start) -> None:
    """A bad or missing variable ends the start with exit code 2 and names the variable, without a traceback."""
    async with start(DRAIN_TIMEOUT="soon", TLS_KEY_FILE="") as process:
        _, error = await process.process.communicate()
        assert process.process.returncode == 2
    lines = error.decode().splitlines()
    assert lines[0].startswith("AMAS_TEST_TLS_KEY_FILE is not set")
    assert lines[1].startswith("AMAS_TEST_DRAIN_TIMEOUT: ")
    assert len(lines) == 2


async def test_what_cannot_be_built_fails_with_its_reason(start: Start) -> None:
    """An error while wiring is logged with its traceback and gives exit code 1."""
    async with start("broken") as process:
        await process.said("the service failed")
        assert "cannot be built" in str(process.lines[-1]["exception"])
        assert await process.ended() == 1


async def test_a_killed_process_can_start_again_on_its_socket(start: Start, authority: Authority) -> None:
    """The socket file that a kill leaves behind does not stop the next start."""
    async with start() as first:
        await first.said("ready to serve")
        first.process.kill()
        await first.process.wait()
        assert first.socket.exists()
        async with start() as second:
            await second.said("ready to serve")
            async with calling(second, authority) as stub:
                assert (await stub.Echo(EchoRequest(text="again"))).text == "again"
