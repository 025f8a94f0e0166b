"""The API server as this operator knows it: requests, errors, counts."""
