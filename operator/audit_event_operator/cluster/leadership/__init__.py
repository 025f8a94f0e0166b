"""Which process works: the Lease, the elector that holds it, and the gate that generators ask."""
