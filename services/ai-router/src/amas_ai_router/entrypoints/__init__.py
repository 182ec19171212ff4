"""The wire: gRPC messages to domain words and back."""
