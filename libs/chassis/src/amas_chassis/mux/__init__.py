"""Many calls as frames on one long-lived bidirectional gRPC stream, beside the plain methods."""
