"""Real parts for the tests, as plain processes on loopback: kube-apiserver, etcd, RabbitMQ and the operator itself.

Nothing here is imported by the product, and nothing happens at import: parts are built, started and ended by their owners only.
"""
