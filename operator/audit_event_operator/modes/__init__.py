"""The three ways to run: in a cluster, standalone into a RabbitMQ, and the demo. The only places that know everybody."""
