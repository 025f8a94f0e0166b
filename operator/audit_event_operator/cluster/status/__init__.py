"""What the API server is told: statuses and Kubernetes Events."""
