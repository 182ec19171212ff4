"""Anthropic's Messages API, by translation onto Chat Completions."""
