"""The tools as MCP shows them. Names, texts and schemas are pinned by contracts: a change here needs a new pin."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from typing import Annotated, Any, Literal, ParamSpec

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from .desk import Desk, Refused
from .pages import PageError

_P = ParamSpec("_P")

Ticket = Annotated[str, Field(description="Id of a ticket, such as T-1001", max_length=64)]
Customer = Annotated[str, Field(description="Id of a customer, such as C-2001", max_length=64)]
Order = Annotated[str, Field(description="Id of an order, such as O-3001", max_length=64)]
Address = Annotated[str, Field(description="An e-mail address", max_length=320)]
Text = Annotated[str, Field(description="Plain text", max_length=20_000)]
Cents = Annotated[int, Field(description="An amount in cents", ge=1)]
Account = Annotated[str, Field(description="original (where the money came from), or an IBAN", max_length=64)]
Url = Annotated[str, Field(description="The address of a page", max_length=2_000)]
Query = Annotated[str, Field(description="Words to look for", max_length=200)]
Priority = Literal["low", "normal", "high"]
Queue = Literal["general", "billing", "privacy", "technical"]

_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_FETCHES = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
_WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_SENDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
_ENDS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)


def _answering(function: Callable[_P, Any]) -> Callable[_P, str]:
    """What was foreseen becomes an error result with its message; anything else the SDK hides and logs."""

    @wraps(function)
    def answer(*args: _P.args, **kwargs: _P.kwargs) -> str:
        try:
            answered = function(*args, **kwargs)
        except (Refused, PageError) as error:
            raise ToolError(str(error)) from error
        return answered if isinstance(answered, str) else json.dumps(answered, ensure_ascii=False)

    answer.__annotations__ = {**function.__annotations__, "return": str}
    return answer


def create_server(desk: Desk) -> MCPServer:
    """The server of one help desk."""
    server = MCPServer("amas-helpdesk", version=version("amas-helpdesk-server"), subscriptions=False)
    _add_reading(server, desk)
    _add_writing(server, desk)
    _add_sending(server, desk)
    return server


def _add_reading(server: MCPServer, desk: Desk) -> None:
    @server.tool(description="Reads a ticket, as its writer wrote it", annotations=_READS, structured_output=False)
    @_answering
    def read_ticket(ticket: Ticket) -> Any:
        return desk.read_ticket(ticket)

    @server.tool(description="Name, e-mail address and tier of a customer", annotations=_READS, structured_output=False)
    @_answering
    def get_customer(customer: Customer) -> Any:
        return desk.get_customer(customer)

    @server.tool(description="All orders of a customer", annotations=_READS, structured_output=False)
    @_answering
    def search_orders(customer: Customer) -> Any:
        return desk.search_orders(customer)

    @server.tool(description="Articles that say how things are done", annotations=_READS, structured_output=False)
    @_answering
    def search_knowledge_base(query: Query) -> Any:
        return desk.search_knowledge_base(query)

    @server.tool(description="Reads a page of the web", annotations=_FETCHES, structured_output=False)
    @_answering
    def fetch_url(url: Url) -> Any:
        return desk.fetch_url(url)


def _add_writing(server: MCPServer, desk: Desk) -> None:
    @server.tool(description="Sets priority and queue of a ticket", annotations=_WRITES, structured_output=False)
    @_answering
    def update_ticket(ticket: Ticket, priority: Priority, queue: Queue) -> Any:
        return desk.update_ticket(ticket, priority, queue)

    @server.tool(description="Closes a ticket", annotations=_WRITES, structured_output=False)
    @_answering
    def close_ticket(ticket: Ticket) -> Any:
        return desk.close_ticket(ticket)


def _add_sending(server: MCPServer, desk: Desk) -> None:
    @server.tool(description="Answers a ticket; the customer reads it", annotations=_SENDS, structured_output=False)
    @_answering
    def reply_to_ticket(ticket: Ticket, text: Text) -> Any:
        return desk.reply_to_ticket(ticket, text)

    @server.tool(description="Sends a mail", annotations=_SENDS, structured_output=False)
    @_answering
    def send_mail(to: Address, subject: Text, text: Text) -> Any:
        return desk.send_mail(to, subject, text)

    @server.tool(description="Pays money of an order back", annotations=_ENDS, structured_output=False)
    @_answering
    def refund_order(order: Order, cents: Cents, account: Account) -> Any:
        return desk.refund_order(order, cents, account)

    @server.tool(description="Deletes a customer and all orders", annotations=_ENDS, structured_output=False)
    @_answering
    def delete_customer(customer: Customer) -> Any:
        return desk.delete_customer(customer)
