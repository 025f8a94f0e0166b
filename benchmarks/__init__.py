"""Ratios and throughput on a real RabbitMQ: too noisy to be asserted in tests."""
