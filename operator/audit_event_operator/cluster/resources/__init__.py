"""The resources as the API server has them: list, watch, resync, and what the fleet does about each."""
