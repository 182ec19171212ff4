"""/docs: the API on one page, rendered here from the OpenAPI document. No script and nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import FastAPI, Request, Response

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1c2733}"
    "code{font:14px ui-monospace,monospace}h2{margin-top:2rem;text-transform:capitalize}"
    "article{border-top:1px solid #d5dce3;padding:.5rem 0}dt{font-weight:600}dd{margin:0 0 .25rem 1rem}"
    ".m{display:inline-block;min-width:4rem;font-weight:700;color:#0b5cad}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def add(app: FastAPI) -> None:
    """Adds the page to the application that it describes."""

    @app.get("/docs", include_in_schema=False)
    async def docs(_request: Request) -> Response:
        headers = {"Content-Security-Policy": _POLICY}
        return Response(_page(app.openapi()), 200, headers, "text/html; charset=utf-8")


def _page(document: dict[str, Any]) -> str:
    sections: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = operation.get("tags", ["other"])[0]
            sections.setdefault(tag, []).append(_operation(path, method, operation))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(entries)}" for tag, entries in sections.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>AMAS API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><main>'
        f"<h1>AMAS API {escape(document['info']['version'])}</h1>"
        f"<p>{escape(document['info'].get('description', ''))}</p>"
        '<p>The same as a machine reads it: <a href="/openapi.json">openapi.json</a>.</p>'
        f"{body}</main></body></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<dt><code>{escape(parameter['name'])}</code> ({escape(parameter['in'])})</dt>"
        f"<dd>{escape(parameter.get('description', ''))}</dd>"
        for parameter in operation.get("parameters", [])
    )
    return (
        f'<article><h3><span class="m">{escape(method.upper())}</span> <code>{escape(path)}</code></h3>'
        f"<p>{escape(operation.get('description', ''))}</p><dl>{parameters}</dl></article>"
    )
