"""What is said: event types, the mix between them, and the bodies of events. Pure; knows neither time nor brokers."""
