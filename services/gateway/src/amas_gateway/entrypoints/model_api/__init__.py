"""The model APIs that clients know from elsewhere: OpenAI's Chat Completions, Embeddings, Models and Responses, and
Anthropic's Messages. All are front doors onto the same routes of the ai-router.
"""
