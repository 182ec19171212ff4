"""`amas explain KIND.FIELD`: what may stand in a resource, from the models that check it."""

from typing import Annotated

import typer

from .guard import guarded


@guarded
def explain(
    path: Annotated[str, typer.Argument(metavar="KIND[.FIELD...]", help="Such as role.spec.tools.approval.")],
) -> int:
    """Explain a kind or a field of it."""
    from amas_cli.explanations import explanation
    from amas_cli.output.terminal import line

    for text in explanation(path):
        line(text)
    return 0
