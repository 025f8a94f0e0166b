"""The HTTP face of the operator: probes, metrics, live state, and the desk for posted events."""
