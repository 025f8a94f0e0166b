"""The resources: what the API server has told of them, and what the fleet is to do about it."""
