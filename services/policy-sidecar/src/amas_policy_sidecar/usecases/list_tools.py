"""What a role may call: its grants, as the live servers describe them, with the contract's narrowing merged in."""

from __future__ import annotations

from collections.abc import Sequence

from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.narrowing import merge_argument_schema
from amas_governance.visible import visible

from amas_policy_sidecar.domain.contract import Contract, Grant, resolve_contract, resolve_grant
from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.model import ActionContext, GrantedTool, ToolAction
from amas_policy_sidecar.domain.revocations import check_revocations, needs_of
from amas_policy_sidecar.ports import Bundles, Revocations, ToolServers

from .pinned_tools import accepted_tools


class ListTools:
    """Lists the tools of a role, by name."""

    def __init__(self, bundles: Bundles, tools: ToolServers, revocations: Revocations) -> None:
        self._bundles = bundles
        self._revocations = revocations
        self._tools = tools

    async def __call__(self, context: ActionContext) -> Sequence[GrantedTool]:
        """All tools that the whole delegation chain grants, but for revoked ones.

        Raises AmasError FAILED_PRECONDITION with the reason if role, principal or bundle are REVOKED, or if a server's
        tools are held (TOOL_PIN_MISMATCH, TOOL_NOT_ACCEPTED): an agent that silently misses a tool would do something
        else instead. Who revokes a tool wants just that, and its server is not even asked.
        """
        bundle = self._bundles.get(context.bundle)
        revoked = await self._revocations.current()
        try:
            check_revocations(revoked, context)
            contract = resolve_contract(bundle, context)
            names = [name for name in _common_tools(contract) if revoked.first(needs_of(context, name)) is None]
            grants = [resolve_grant(bundle, contract, ToolAction(name, "{}")) for name in names]
            return [await self._describe(context, grant) for grant in grants]
        except Denied as denied:
            reason = denied.reasons[0]
            raise AmasError(ErrorKind.FAILED_PRECONDITION, reason.code, reason.message) from denied

    async def _describe(self, context: ActionContext, grant: Grant) -> GrantedTool:
        live = await accepted_tools(self._tools, context.principal.tenant, grant.server)
        tool = live.get(grant.tool.partition("/")[2])
        if tool is None:
            raise Denied("TOOL_NOT_OFFERED", f"the tool server does not offer {grant.tool}")
        schema = dict(tool.input_schema)
        for narrowing in grant.narrowings:
            schema = merge_argument_schema(schema, narrowing)
        return GrantedTool(
            name=grant.tool,
            # It was accepted as it is; what a reader cannot see is all the same not for a model to obey.
            description=visible(tool.description),
            arguments_schema=schema,
            effect=grant.effect,
            idempotent=grant.idempotent,
        )


def _common_tools(contract: Contract) -> list[str]:
    """Names that every role of the chain grants, in the order of the acting role's contract."""
    return [
        grant.name
        for grant in contract.acting.spec.tools
        if all(role.spec.grant(grant.name) is not None for role in contract.roles)
    ]
