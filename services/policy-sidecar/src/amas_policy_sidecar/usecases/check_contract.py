"""The first check: the action is within the contract of the role, and of every role that delegated to it.

Nothing that it needs may be revoked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amas_governance.actions import action_digest
from amas_governance.bundle import Bundle
from amas_governance.canonical import JsonRefused
from amas_governance.dlp.actions import CATEGORY_OF, Action
from amas_governance.revocations import Revoked

from amas_policy_sidecar.domain.arguments import check_arguments, parse_arguments
from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.contract import resolve_contract, resolve_grant
from amas_policy_sidecar.domain.data_flow import described_label
from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.leaving import action_of
from amas_policy_sidecar.domain.revocations import check_revocations
from amas_policy_sidecar.ports import ToolServers

from .pinned_tools import accepted_tools


async def check_contract(case: Case, bundle: Bundle, tools: ToolServers, revoked: Revoked) -> None:
    """Fill in contract, grant, arguments and digest; raises Denied, or AmasError if the tool server is away."""
    context, action = case.context, case.action
    case.contract = resolve_contract(bundle, context)
    case.granted = resolve_grant(bundle, case.contract, action)
    arguments = parse_arguments(action.arguments_json)
    try:
        case.digest = action_digest(
            tenant=context.principal.tenant,
            run_id=context.run_id,
            step=context.step,
            role=context.role,
            tool=action.tool,
            arguments=arguments,
        )
    except JsonRefused as error:
        raise Denied("ARGUMENTS_MALFORMED", f"the arguments have no canonical form: {error}") from error
    # Once the action has its name, so that an earlier outcome of it is found; before its server is asked anything.
    check_revocations(revoked, context, action.tool)
    case.proposed, case.arguments = arguments, _restored(case, arguments)
    live = await accepted_tools(tools, context.principal.tenant, case.granted.server)
    tool = live.get(action.name)
    if tool is None:
        raise Denied("TOOL_NOT_OFFERED", f"the tool server does not offer {action.tool}")
    case.schema = tool.input_schema
    case.granted = replace(case.granted, result_label=case.granted.result_label.join(described_label(tool)))
    check_arguments(case.arguments, tool.input_schema, case.granted.narrowings)


def _restored(case: Case, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with values in place of the run's pseudonyms, of what may leave as it is."""
    if case.pseudonyms is None:
        return arguments
    rules = case.grant.leaving

    def allowed(detector: str) -> bool:
        category = CATEGORY_OF.get(detector)
        return category is not None and action_of(rules, detector, category) is Action.ALLOW

    restored: dict[str, Any] = case.pseudonyms.restore(arguments, allowed)
    return restored
