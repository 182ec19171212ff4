"""Options that many commands share, so that they are called and explained the same everywhere."""

from typing import Annotated

import typer

from amas_cli.output.documents import Output

Server = Annotated[str, typer.Option("--server", help="URL of the gateway (default: the local platform).")]
As = Annotated[str, typer.Option("--as", metavar="PRINCIPAL", help="Who asks (default: who logged in last).")]
OutputFormat = Annotated[Output, typer.Option("--output", "-o", help="How to print the result.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
