"""`amas-witness keygen` makes a key; `amas-witness serve` cosigns."""

from __future__ import annotations

import argparse
import logging
import ssl
import sys
from pathlib import Path

from aiohttp import web

from .files import FileError, LogFile, make_key, read_key
from .notes import Cosigner, NoteError
from .server import application
from .state import State, StateError
from .witness import Witness

EXIT_FAILED = 1
EXIT_USAGE = 2


def main(arguments: list[str] | None = None) -> int:
    """Exit code of the process: 0 ended as told, 1 failed, 2 called wrongly."""
    asked = parser().parse_args(arguments)
    try:
        if asked.command == "keygen":
            print(Cosigner(asked.name, make_key(asked.key)).verifier_key)
            return 0
        return _serve(asked)
    except (FileError, StateError, NoteError, OSError) as error:
        print(f"amas-witness: {error}", file=sys.stderr)
        return EXIT_FAILED


def _serve(asked: argparse.Namespace) -> int:
    host, _, port = asked.listen.rpartition(":")
    if not host or not port.isdigit():
        print(f"amas-witness: {asked.listen} is not host:port", file=sys.stderr)
        return EXIT_USAGE
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    cosigner = Cosigner(asked.name, read_key(asked.key))
    logs = LogFile(asked.logs)
    known = len(logs())
    tls = None
    if asked.tls_cert:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(asked.tls_cert, asked.tls_key)
    state = State(asked.state)
    try:
        logging.info("%s witnesses %d logs on %s", cosigner.verifier_key, known, asked.listen)
        app = application(Witness(cosigner, logs, state))
        web.run_app(app, host=host.strip("[]"), port=int(port), ssl_context=tls, access_log=None, print=None)
    finally:
        state.close()
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="amas-witness", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True)
    serve, keygen = commands.add_parser("serve"), commands.add_parser("keygen")
    for command in (serve, keygen):
        command.add_argument("--name", required=True, help="name of the witness, like a URL without a scheme")
        command.add_argument("--key", type=Path, required=True, help="file of its private key (PEM, PKCS #8)")
    serve.add_argument("--logs", type=Path, required=True, help="file with the verifier keys of logs, one a line")
    serve.add_argument("--state", type=Path, required=True, help="folder of what it has seen; to lose it is to forget")
    serve.add_argument("--listen", default="127.0.0.1:7070", help="host:port")
    serve.add_argument("--tls-cert", type=Path, help="certificate chain to serve HTTPS with (PEM)")
    serve.add_argument("--tls-key", type=Path, help="its private key (PEM)")
    return made


if __name__ == "__main__":
    sys.exit(main())
