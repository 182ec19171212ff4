"""OpenAI's Responses API, by translation onto Chat Completions: nothing is stored, a request holds all it needs."""
