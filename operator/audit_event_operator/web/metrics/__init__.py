"""Prometheus metrics: a sample of plain numbers taken on the loop, families made of it in a thread."""
