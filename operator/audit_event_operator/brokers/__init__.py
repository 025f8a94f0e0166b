"""Where events go: RabbitMQ, memory, a stream. Each implements the engine's ports; they do not know each other."""
