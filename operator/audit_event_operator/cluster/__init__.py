"""Kubernetes as source and sink: what is watched, read and written there. Generates nothing itself; that is the engine's."""
