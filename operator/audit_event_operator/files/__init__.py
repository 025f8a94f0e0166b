"""Resources without a cluster: from YAML files that are watched, or from the seed service's environment variables."""
