"""`python -m amas_test_cluster up | down | status | load | build | restart PART | kill PART | policies WHAT`."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .build import Builds
from .components import MODULES
from .dependencies import start_dependencies
from .down import report_remains, take_down
from .errors import ClusterError
from .follow_monitors import follow
from .images import load_images
from .kubectl import kubectl_of
from .layout import Layout
from .netpol import table
from .outdated import KEPT_DAYS
from .processes import Processes
from .progress import say
from .status import show_status
from .up import bring_up, use_own


def main(arguments: list[str] | None = None) -> int:
    """0: done. 1: it could not be done, and a sentence on standard error says why."""
    options = _parser().parse_args(arguments)
    layout = Layout.from_environment()
    try:
        _do(options, layout)
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read has seen enough (`| head`); the interpreter's own flush at the end must not stumble either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"cluster: {error.filename or 'the machine'}: {error.strerror}; then run it again", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("cluster: interrupted; `make cluster-up` goes on, `make cluster-down` clears", file=sys.stderr)
        return 130
    return 0


def _do(options: argparse.Namespace, layout: Layout) -> None:
    if options.verb == "follow-monitors":
        follow(layout, kubectl_of(layout))
    elif options.verb == "status":
        show_status(layout)
    elif options.verb == "build":
        chosen = tuple(module for module in MODULES if not options.only or module.name in options.only)
        Builds(layout).ensure(chosen)
        Builds(layout).link_tools()
        say(f"built: {', '.join(module.name for module in chosen)}")
        if removed := Builds(layout).remove_outdated():
            say(f"removed, since nothing asked for them in {KEPT_DAYS} days: {', '.join(removed)}")
    else:
        with _alone(layout):
            _change(options, layout)


def _change(options: argparse.Namespace, layout: Layout) -> None:
    if options.verb == "up":
        if layout.own_kubeconfig:
            use_own(layout)
        else:
            bring_up(layout, keda=not options.without_keda)
    elif options.verb == "down":
        if layout.own_kubeconfig:
            raise ClusterError("KUBECONFIG names a cluster of your own, which is not ours to take down; unset it")
        take_down(layout)
        report_remains(layout)
    elif options.verb == "load":
        count = load_images(layout, required=True)
        start_dependencies(layout, kubectl_of(layout))
        say(f"{count} images are loaded")
    elif options.verb == "restart":
        Processes(layout).restart(options.part)
        say(f"{options.part} was restarted")
    elif options.verb == "kill":
        Processes(layout).kill(options.part)
        say(f"{options.part} was killed")
    elif options.what == "apply":
        table.apply(layout, kubectl_of(layout))
    else:
        table.remove()


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """One change at a time, whoever asks."""
    layout.builds.mkdir(parents=True, exist_ok=True)
    with (layout.builds / "cluster.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ClusterError(
                "another command changes the cluster at this moment; try again when it is done"
            ) from error
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="amas-test-cluster", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="build what is missing and start the cluster")
    up.add_argument("--without-keda", action="store_true", help="neither build nor start KEDA")
    verbs.add_parser("down", help="stop the cluster and leave nothing behind")
    verbs.add_parser("status", help="what runs, and how it is reached")
    verbs.add_parser("load", help="import out/images/*.tar and out/previous/images/*.tar")
    build = verbs.add_parser("build", help="build the programs into the cache")
    build.add_argument("--only", action="append", choices=[module.name for module in MODULES], help="default: all")
    for verb in ("restart", "kill"):
        verbs.add_parser(verb, help=f"{verb} one of the cluster's processes").add_argument("part")
    policies = verbs.add_parser("policies", help="enforce the NetworkPolicies of this moment by nftables, or cease to")
    policies.add_argument("what", choices=["apply", "remove"])
    verbs.add_parser("follow-monitors", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
