"""Where brokers are, as the API server knows it."""
