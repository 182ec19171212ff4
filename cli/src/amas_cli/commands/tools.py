"""`amas tools accept`: accept what a tool server offers now, after seeing it."""

import copy
from typing import Annotated

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
    """Show what a tool server offers now against what was accepted, and accept it. Until then a change is held."""
    from amas_governance.pins import tool_list_pin

    from amas_cli.output.documents import yaml_text
    from amas_cli.output.printable import printable
    from amas_cli.output.prompt import confirm, interactive
    from amas_cli.output.terminal import line
    from amas_cli.output.tool_offer import offer_lines

    from .resources import applied
    from .session import gateway

    async with gateway(server, principal) as api:
        described = await api.tool_server(name)
        found = await api.resources("ToolServer", name)
        manifest = copy.deepcopy(found[0]["manifest"])
        spec, offer = manifest["spec"], described.get("offer") or []
        # What is accepted is what is shown, whatever pin the answer names.
        pin = tool_list_pin(offer)
        same = pin == spec.get("pin")
        before = offer if same else spec.get("accepted")
        for text in offer_lines(offer, before, set(spec.get("tools") or ())):
            line(text)
        line(f"offered now  {pin}")
        line(f"accepted     {printable(str(spec.get('pin') or 'nothing yet'))}")
        if same and spec.get("accepted") is not None:
            line(f"toolserver/{name} unchanged")
            return ExitCode.OK
        # What has the accepted pin was accepted, and only its text is not on record yet.
        if not (yes or same):
            if not interactive():
                raise CliError("Accepting needs a yes.", next_step="add --yes", exit_code=ExitCode.USAGE)
            if not await confirm(f"Accept {pin}?"):
                return ExitCode.FAILED
        spec["pin"], spec["accepted"] = pin, offer
        await applied(api, [(f"toolserver/{name}", yaml_text(manifest))])
    line(f"toolserver/{name} accepted")
    return ExitCode.OK
