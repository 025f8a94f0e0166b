"""Carries events to RabbitMQ with publisher confirms. The only package that imports pika."""

from audit_event_operator.brokers.rabbitmq.brokers import RabbitMQBrokers
from audit_event_operator.brokers.rabbitmq.timing import Timing

__all__ = ["RabbitMQBrokers", "Timing"]
