"""Where events go: RabbitMQ or a stream. Each implements the engine's ports; they share the pump and do not know each other."""
