"""What the fault matrix needs: the operator under watch, faults, the oracle, the table."""
