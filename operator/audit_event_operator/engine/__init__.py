"""The running whole: generators, their fleet, their ledgers, and the ports through which events and brokers come."""
