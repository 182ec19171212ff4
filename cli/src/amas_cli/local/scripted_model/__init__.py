"""A model provider without a model: speaks the OpenAI API and answers by rules from what the conversation holds."""
