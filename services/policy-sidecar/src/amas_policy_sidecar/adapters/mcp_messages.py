"""MCP's types to ours: tool descriptions as a pin covers them, and answers as text and structured content."""

from __future__ import annotations

import mcp_types as types

from amas_policy_sidecar.domain.model import ToolAnswer, ToolDescription


def to_description(tool: types.Tool) -> ToolDescription:
    """A tool as its server describes it, in the wire's own camelCase form."""
    definition = tool.model_dump(mode="json", by_alias=True, exclude_none=True)
    return ToolDescription(
        name=tool.name,
        description=tool.description or "",
        input_schema=definition["inputSchema"],
        definition=definition,
    )


def to_answer(result: types.CallToolResult) -> ToolAnswer:
    """The text of all content blocks; what is no text is named with its size, not passed on."""
    return ToolAnswer(
        text="\n".join(_text(block) for block in result.content),
        structured=result.structured_content,
        is_error=bool(result.is_error),
    )


def _text(block: types.ContentBlock) -> str:
    if isinstance(block, types.TextContent):
        return block.text
    if isinstance(block, types.ImageContent | types.AudioContent):
        return f"[{block.type} of {block.mime_type}, {len(block.data)} characters of base64, not shown]"
    if isinstance(block, types.ResourceLink):
        return f"[link to {block.uri}]"
    resource = block.resource
    if isinstance(resource, types.TextResourceContents):
        return resource.text
    return f"[resource {resource.uri}, {len(resource.blob)} characters of base64, not shown]"
