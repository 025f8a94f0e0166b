"""Many processes of the operator on virtual time, with an API server that misbehaves: who serves which bucket when."""
