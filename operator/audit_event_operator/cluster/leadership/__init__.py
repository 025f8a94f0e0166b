"""Which process works: the Lease, who holds it, and the gate that the engine asks."""
