"""Carries events to RabbitMQ with publisher confirms. The only package that imports pika."""
