"""What a tool server and its tools gain or lose from one version of their definition to the next.

More freedom is what a check lets through afterwards that it did not before: a wider network, a higher clearance, a
milder effect, fewer sensitive arguments. Every other difference is called a change and never hidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .canonical import canonical_json
from .describe_dlp import Kind
from .diff import Difference
from .labels import Integrity
from .resources import ResultLabel, ToolClearance, ToolPolicy, ToolServer

_EFFECTS = ("read", "write", "external", "irreversible")
_ANYTHING = "whatever its role may see"


def diff_tool_servers(before: ToolServer | None, after: ToolServer | None) -> list[Difference]:
    """Differences in a fixed order; None stands for a server that does not exist. Empty when nothing differs."""
    if before is None and after is None:
        return []
    if before is None and after is not None:
        new = Difference("gains", f"the tool server is new: {_reached(after)}")
        return [new, *_networks((), networks_of(after)), *_offered(after, after.spec.tools)]
    if before is not None and after is None:
        return [Difference("loses", "the tool server is removed")]
    assert before is not None and after is not None  # noqa: S101, PT018 - for mypy: the other cases have returned
    return [
        *_way(before, after),
        *_networks(networks_of(before), networks_of(after)),
        *_sandbox(before, after),
        *_set("gets the credential", _credentials(before), _credentials(after)),
        *_tools(before, after),
        *_rest(before, after),
    ]


def networks_of(server: ToolServer) -> tuple[str, ...]:
    """The networks beside public addresses in which a server over HTTP may be."""
    http = server.spec.transport.http
    return http.egress.networks if http else ()


def _networks(old: Iterable[str], new: Iterable[str]) -> Iterator[Difference]:
    return _set("may be in the network", old, new)


def _set(words: str, old: Iterable[str], new: Iterable[str]) -> Iterator[Difference]:
    was, now = set(old), set(new)
    yield from (Difference("gains", f"{words} {name}") for name in sorted(now - was))
    yield from (Difference("loses", f"{words} {name}") for name in sorted(was - now))


def _way(before: ToolServer, after: ToolServer) -> Iterator[Difference]:
    old, new = _reached(before), _reached(after)
    if old != new:
        yield Difference("changes", f"is {new}; before: {old}")


def _reached(server: ToolServer) -> str:
    transport = server.spec.transport
    if transport.http is not None:
        authority = f" with the authority {transport.http.tls.ca_file}" if transport.http.tls else ""
        return f"reached at {transport.http.url}{authority}"
    command = transport.stdio.command if transport.stdio else ()
    return f"the program {' '.join(command)}"


def _sandbox(before: ToolServer, after: ToolServer) -> Iterator[Difference]:
    was, now = before.spec.transport.stdio, after.spec.transport.stdio
    if was is None or now is None:
        return
    old, new = was.sandbox, now.sandbox
    if old.network != new.network:
        yield Difference("gains" if new.network == "host" else "loses", "has the host's network")
    yield from _set("may read the folder", old.readable, new.readable)
    yield from _set("may write the folder", old.writable, new.writable)
    kept = {"network", "readable", "writable"}
    if old.model_dump(exclude=kept) != new.model_dump(exclude=kept):
        yield Difference("changes", "the bounds of its sandbox")


def _credentials(server: ToolServer) -> Iterable[str]:
    return [
        f"{one.file} as {f'variable {one.env}' if one.env else f'header {one.header}' if one.header else 'a file'}"
        for one in server.spec.credentials
    ]


def _tools(before: ToolServer, after: ToolServer) -> Iterator[Difference]:
    old, new = before.spec.tools, after.spec.tools
    yield from _offered(after, new.keys() - old.keys())
    for name in sorted(old.keys() - new.keys()):
        yield Difference("loses", f"{name}: may be granted")
    for name in sorted(old.keys() & new.keys()):
        yield from _tool(name, old[name], new[name])
        yield from _clearance(name, before.spec.clearance_of(name), after.spec.clearance_of(name))
        was, now = (server.spec.tools[name].results or server.spec.results for server in (before, after))
        yield from _results(name, was, now)


def _offered(server: ToolServer, names: Iterable[str]) -> Iterator[Difference]:
    for name in sorted(names):
        policy = server.spec.tools[name]
        yield Difference("gains", f"{name}: may be granted ({policy.effect})")
        if policy.sensitive is not None:
            yield Difference("gains", f"{name}: {_sensitive(policy)}")


def _tool(name: str, old: ToolPolicy, new: ToolPolicy) -> Iterator[Difference]:
    if old.effect != new.effect:
        kind: Kind = "gains" if _EFFECTS.index(new.effect) < _EFFECTS.index(old.effect) else "loses"
        yield Difference(kind, f"{name}: counts as {new.effect} instead of {old.effect}")
    if old.idempotent != new.idempotent:
        yield Difference("gains" if new.idempotent else "loses", f"{name}: may be repeated")
    if _sensitive(old) != _sensitive(new):
        yield Difference(_more_sensitive(old, new), f"{name}: {_sensitive(new)}; before: {_sensitive(old)}")


def _sensitive(policy: ToolPolicy) -> str:
    if policy.sensitive is None:
        return "every argument is sensitive"
    if not policy.sensitive:
        return "no argument is sensitive"
    return f"sensitive are {', '.join(sorted(policy.sensitive))}"


def _more_sensitive(old: ToolPolicy, new: ToolPolicy) -> Kind:
    if new.sensitive is None:
        return "loses"
    if old.sensitive is None:
        return "gains"
    was, now = set(old.sensitive), set(new.sensitive)
    return "gains" if now < was else "loses" if now > was else "changes"


def _clearance(name: str, old: ToolClearance | None, new: ToolClearance | None) -> Iterator[Difference]:
    if old == new:
        return
    text = f"{name}: may be handed {_cleared(new)}; before: {_cleared(old)}"
    if old is None or new is None:
        yield Difference("gains" if new is None else "loses", text)
        return
    was, now = (old.confidentiality, set(old.categories)), (new.confidentiality, set(new.categories))
    more = now[0] >= was[0] and now[1] >= was[1]
    less = now[0] <= was[0] and now[1] <= was[1]
    yield Difference("changes" if more == less else "gains" if more else "loses", text)


def _cleared(clearance: ToolClearance | None) -> str:
    if clearance is None:
        return _ANYTHING
    return f"{clearance.confidentiality.label} data" + _with(clearance.categories)


def _results(name: str, old: ResultLabel, new: ResultLabel) -> Iterator[Difference]:
    if old == new:
        return
    was, now = old.to_label(), new.to_label()
    text = f"{name}: its answers are {_labelled(new)}; before: {_labelled(old)}"
    # A label that stands higher stops more.
    kind: Kind = "loses" if was.join(now) == now else "gains" if was.join(now) == was else "changes"
    yield Difference(kind, text)


def _labelled(result: ResultLabel) -> str:
    trust = "trusted" if result.integrity is Integrity.TRUSTED else "untrusted"
    return f"{result.confidentiality.label} and {trust}" + _with(result.categories)


def _with(categories: Iterable[str]) -> str:
    named = sorted(categories)
    return f" with {', '.join(named)}" if named else ""


def _rest(before: ToolServer, after: ToolServer) -> Iterator[Difference]:
    if before.spec.pin != after.spec.pin:
        yield Difference("changes", "which tools are accepted (the pin)")
    old, new = before.to_manifest()["spec"], after.to_manifest()["spec"]
    if canonical_json(old.get("limits")) != canonical_json(new.get("limits")):
        yield Difference("changes", "limits")
