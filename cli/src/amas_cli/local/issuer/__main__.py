"""`python -m amas_cli.local.issuer --listen ADDRESS:PORT --state DIR`: serves until SIGTERM."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from amas_cli.local.issuer.server import EXIT_USAGE, IssuerError, TlsFiles, run


def main(arguments: list[str] | None = None) -> int:
    """0: ended as told. 2: an option is wrong. 3: the address cannot be listened on."""
    parser = argparse.ArgumentParser(prog="amas-issuer", description="Development OIDC issuer.")
    parser.add_argument("--listen", required=True, help="127.0.0.1:PORT; with TLS any ADDRESS:PORT")
    parser.add_argument("--state", required=True, type=Path, help="folder of keys and client secrets")
    parser.add_argument("--issuer", default="", help="issuer URL (default: that of --listen)")
    parser.add_argument("--audience", default="amas", help="audience of the tokens")
    parser.add_argument("--tls-certificate", type=Path, help="PEM file; together with --tls-key")
    parser.add_argument("--tls-key", type=Path, help="PEM file; together with --tls-certificate")
    options = parser.parse_args(arguments)
    if (options.tls_certificate is None) != (options.tls_key is None):
        parser.error("--tls-certificate and --tls-key go together")
    tls = TlsFiles(options.tls_certificate, options.tls_key) if options.tls_key else None
    try:
        run(options.listen, options.state, options.issuer, options.audience, tls)
    except IssuerError as error:
        print(f"issuer: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"issuer: {options.state} cannot be used: {error.strerror}", file=sys.stderr)
        return EXIT_USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main())
