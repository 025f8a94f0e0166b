"""Audit Event Operator: keeps realistic audit-event streams flowing into RabbitMQ, one per AuditEventGenerator."""

__version__ = "0.1.0"
