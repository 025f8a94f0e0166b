"""What events say: event types, the mix between them, and the bodies of events. Pure; knows no clock and no broker."""
