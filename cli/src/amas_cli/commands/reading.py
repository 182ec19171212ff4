"""`amas get` and `amas describe`: what there is."""

from typing import Annotated, Any

import typer

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.output.documents import Output

from .guard import guarded
from .options import As, OutputFormat, Server

What = Annotated[str, typer.Argument(help="runs, approvals, resources, or a kind such as roles.")]


@guarded
async def get(
    what: What,
    name: Annotated[str, typer.Argument(help="Only this one.")] = "",
    state: Annotated[str, typer.Option("--state", help="Only runs or approvals in this state.")] = "",
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="Only approvals of this run.")] = "",
    explain: Annotated[bool, typer.Option("--explain", help="Say in words what a role may do.")] = False,
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """List runs, approvals or resources; with --explain, say in words what roles may do."""
    from datetime import UTC, datetime

    from amas_cli.kinds import APPROVALS, RUNS
    from amas_cli.output import tables
    from amas_cli.output.documents import document
    from amas_cli.output.terminal import line, table

    from .session import gateway

    async with gateway(server, principal) as api:
        if explain:
            return await _explain(api, what, name)
        items = await _read(api, what, name, state, run)
    if output is not Output.TABLE:
        document(items[0] if name else items, output)
        return ExitCode.OK
    if not items:
        line(f"no {what}")
        return ExitCode.OK
    columns = tables.RUNS if what in RUNS else tables.APPROVALS if what in APPROVALS else tables.RESOURCES
    table(*tables.rows(columns, items, datetime.now(UTC)))
    return ExitCode.OK


@guarded
async def describe(
    what: What,
    name: Annotated[str, typer.Argument(help="Id of the run or approval, or name of the resource.")],
    principal: As = "",
    server: Server = "",
    output: OutputFormat = Output.TABLE,
) -> int:
    """Show everything about one run, approval or resource."""
    from datetime import UTC, datetime

    from amas_cli.kinds import APPROVALS
    from amas_cli.output.approval import approval_lines
    from amas_cli.output.documents import document
    from amas_cli.output.tables import block
    from amas_cli.output.terminal import line

    from .session import gateway

    async with gateway(server, principal) as api:
        item = (await _read(api, what, name, "", ""))[0]
    if output is not Output.TABLE:
        document(item, output)
    elif what in APPROVALS:
        for text in approval_lines(item, datetime.now(UTC)):
            line(text)
    else:
        manifest = item.get("manifest")
        line(block(manifest if isinstance(manifest, dict) else item).rstrip())
    return ExitCode.OK


async def _explain(api: Any, what: str, name: str) -> int:
    """Roles in words. All resources are read, since the effect of a tool is said by its server."""
    from amas_governance.describe import describe_role
    from amas_governance.resources import AgentRole

    from amas_cli.kinds import APPROVALS, RESOURCES, RUNS, parse_kind
    from amas_cli.output.printable import printable
    from amas_cli.output.terminal import line

    if what in RUNS | APPROVALS | RESOURCES or parse_kind(what) != AgentRole.KIND:
        raise CliError(
            "Only roles can be explained.", next_step="`amas get role NAME --explain`", exit_code=ExitCode.USAGE
        )
    if name:
        await api.resources(AgentRole.KIND, name)
    resources = [resource for item in await api.resources() if (resource := _resource(item)) is not None]
    roles = [role for role in resources if isinstance(role, AgentRole) and name in ("", role.metadata.name)]
    for number, role in enumerate(roles):
        line(("\n" if number else "") + printable(describe_role(role, resources), multiline=True).rstrip())
    if not roles:
        line(f"no {what}")
    return ExitCode.OK


def _resource(item: dict[str, Any]) -> Any:
    """The resource, or None if this version of the command line does not know its form."""
    from amas_governance.resources import ManifestError, parse_manifest

    try:
        return parse_manifest(item.get("manifest") or {})
    except ManifestError:
        return None


async def _read(api: Any, what: str, name: str, state: str, run: str) -> list[dict[str, Any]]:
    """What was asked for; raises NOT_FOUND when one was named and is not there."""
    from amas_cli.kinds import APPROVALS, RESOURCES, RUNS, parse_kind

    if what in RUNS:
        return [await api.run(name)] if name else list(await api.runs(state=state))
    if what in APPROVALS:
        return [await api.approval(name)] if name else list(await api.approvals(state=state, runId=run))
    kind = "" if what in RESOURCES else parse_kind(what)
    if name and not kind:
        raise CliError("A name needs its kind.", next_step="for example `amas get role NAME`", exit_code=ExitCode.USAGE)
    return list(await api.resources(kind, name))
