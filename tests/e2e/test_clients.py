"""Clients that we did not write work unchanged: the OpenAI SDK, and gRPC by reflection."""

from __future__ import annotations

import grpc
import openai
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ..gateway_client import SDK_RETRIES

pytestmark = pytest.mark.e2e


@pytest.fixture
def sdk(platform):
    """The official OpenAI SDK, pointed at the gateway."""
    with openai.OpenAI(
        base_url=platform.status()["endpoints"]["openai"],
        api_key=platform.token("developer"),
        max_retries=SDK_RETRIES,
    ) as client:
        yield client


def test_chat_completion_and_its_stream_say_the_same(sdk):
    """An answer and the same answer streamed are equal, and both report usage."""
    messages = [{"role": "user", "content": "hello"}]
    whole = sdk.chat.completions.create(model="default", messages=messages)
    assert whole.choices[0].message.content
    assert whole.usage.total_tokens > 0
    pieces, usage = [], None
    for chunk in sdk.chat.completions.create(
        model="default", messages=messages, stream=True, stream_options={"include_usage": True}
    ):
        pieces += [choice.delta.content or "" for choice in chunk.choices]
        usage = chunk.usage or usage
    assert "".join(pieces) == whole.choices[0].message.content
    assert usage is not None
    assert usage.total_tokens > 0


def test_models_and_embeddings(sdk):
    """Routes are listed as models, and text becomes vectors."""
    assert "default" in [model.id for model in sdk.models.list()]
    answer = sdk.embeddings.create(model="default", input=["one", "two"], encoding_format="float")
    assert len(answer.data) == 2
    assert answer.data[0].embedding != answer.data[1].embedding


def test_errors_are_the_sdks_own(platform, sdk):
    """The SDK raises its own exceptions for an unknown model and a bad key."""
    with pytest.raises(openai.NotFoundError):
        sdk.chat.completions.create(model="no-such-route", messages=[{"role": "user", "content": "hi"}])
    with (
        openai.OpenAI(base_url=platform.status()["endpoints"]["openai"], api_key="nonsense", max_retries=0) as bad,
        pytest.raises(openai.AuthenticationError),
    ):
        bad.models.list()


def test_grpc_by_reflection(platform):
    """A client without our stubs finds the services and calls one, as grpcurl does."""
    with grpc.insecure_channel(platform.status()["endpoints"]["grpc"]) as channel:
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        listed = next(reflection.ServerReflectionInfo(iter(asked)))
        names = {service.name for service in listed.list_services_response.service}
        assert {"amas.gateway.v1.RunsService", "amas.gateway.v1.ApprovalsService", "grpc.health.v1.Health"} <= names
        pool = described(reflection, "amas.gateway.v1.RunsService")
        request = message_factory.GetMessageClass(pool.FindMessageTypeByName("amas.gateway.v1.ListRunsRequest"))
        answer = message_factory.GetMessageClass(pool.FindMessageTypeByName("amas.gateway.v1.ListRunsResponse"))
        call = channel.unary_unary(
            "/amas.gateway.v1.RunsService/ListRuns",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        with pytest.raises(grpc.RpcError) as refused:
            call(request(), timeout=60)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        token = platform.token("developer")
        call(request(page_size=5), timeout=60, metadata=[("authorization", f"Bearer {token}")])


def described(stub, symbol: str) -> descriptor_pool.DescriptorPool:
    """Reads the descriptors of a symbol and all that they import, by reflection alone."""
    files: dict[str, FileDescriptorProto] = {}
    wanted = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)]
    while wanted:
        answer = next(stub.ServerReflectionInfo(iter([wanted.pop()])))
        for raw in answer.file_descriptor_response.file_descriptor_proto:
            file = FileDescriptorProto.FromString(raw)
            if file.name not in files:
                files[file.name] = file
                wanted += [reflection_pb2.ServerReflectionRequest(file_by_filename=name) for name in file.dependency]
    pool = descriptor_pool.DescriptorPool()

    def add(name: str) -> None:
        file = files.pop(name, None)
        if file is not None:
            for needed in file.dependency:
                add(needed)
            pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(file.SerializeToString())

    for name in list(files):
        add(name)
    return pool
