"""`amas tools accept`: accept what a tool server offers now, after seeing it."""

import copy
from typing import Annotated, Any

import typer

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .guard import guarded
from .options import As, Server, Yes

app = typer.Typer(help="Tool servers.", no_args_is_help=True)


@app.command("accept")
@guarded
async def accept(
    name: Annotated[str, typer.Argument(metavar="SERVER", help="Name of the tool server.")],
    yes: Yes = False,
    principal: As = "",
    server: Server = "",
) -> int:
    """Pin a tool server to the tools that it offers now. Until then a changed list of tools is refused."""
    from amas_cli.output.documents import yaml_text
    from amas_cli.output.prompt import confirm, interactive
    from amas_cli.output.terminal import line

    from .resources import applied
    from .session import gateway

    async with gateway(server, principal) as api:
        described = await api.tool_server(name)
        found = await api.resources("ToolServer", name)
        manifest = copy.deepcopy(found[0]["manifest"])
        for text in offer_lines(described, manifest):
            line(text)
        pin = str(described.get("pin", ""))
        if pin == manifest["spec"].get("pin"):
            line(f"toolserver/{name} unchanged")
            return ExitCode.OK
        if not yes:
            if not interactive():
                raise CliError("Accepting needs a yes.", next_step="add --yes", exit_code=ExitCode.USAGE)
            if not await confirm(f"Accept {pin}?"):
                return ExitCode.FAILED
        manifest["spec"]["pin"] = pin
        await applied(api, [(f"toolserver/{name}", yaml_text(manifest))])
    line(f"toolserver/{name} accepted")
    return ExitCode.OK


def offer_lines(described: dict[str, Any], manifest: dict[str, Any]) -> list[str]:
    """What the server offers against what the resource grants: `+` new, `-` gone, ` ` both."""
    from amas_cli.output.printable import printable, shortened

    granted = set(manifest.get("spec", {}).get("tools") or ())
    offered = {str(tool.get("name", "")): str(tool.get("description", "")) for tool in described.get("tools") or ()}
    lines = []
    for name in sorted(offered.keys() | granted):
        mark = " " if name in offered and name in granted else "+" if name in offered else "-"
        lines.append(f"{mark} {printable(name)}  {shortened(offered.get(name, 'not offered any more'), 80)}")
    lines.append(f"offered now  {printable(str(described.get('pin', '')))}")
    lines.append(f"accepted     {printable(str(described.get('accepted_pin') or 'nothing yet'))}")
    return lines
