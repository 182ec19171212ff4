"""The commands of `amas`, in one place. Each command's module imports what is heavy only when it runs."""

import typer

from .commands import (
    approvals,
    audit,
    explain,
    login,
    platform,
    policy,
    reading,
    resources,
    revocations,
    runs,
    tools,
    usage,
)


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="amas",
        help="Governed agents: apply contracts, run orchestrations, approve actions, verify the record.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    machine, work, people = "On this machine", "Work", "People and records"
    for command, panel in (
        (platform.up, machine),
        (platform.down, machine),
        (platform.status, machine),
        (login.login, people),
        (resources.apply, work),
        (reading.get, work),
        (reading.describe, work),
        (resources.diff, work),
        (resources.delete, work),
        (explain.explain, work),
        (runs.run, work),
        (runs.watch, work),
        (runs.cancel, work),
        (approvals.approve, people),
        (approvals.reject, people),
        (revocations.revoke, people),
        (revocations.restore, people),
        (revocations.revocations, people),
        (usage.usage, people),
        (usage.budgets, people),
    ):
        app.command(rich_help_panel=panel)(command)
    app.add_typer(tools.app, name="tools", rich_help_panel=work)
    app.add_typer(policy.app, name="policy", rich_help_panel=work)
    app.add_typer(audit.app, name="audit", rich_help_panel=people)
    return app
