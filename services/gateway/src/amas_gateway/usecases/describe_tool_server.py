"""Asks a live tool server what it offers, with the digest that a pin would have."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain.model import Principal
from amas_gateway.ports import Resources


@dataclass(frozen=True, slots=True)
class DescribeToolServer:
    resources: Resources

    async def __call__(self, principal: Principal, server: str) -> object:
        return await self.resources.describe_tool_server(principal, server)
