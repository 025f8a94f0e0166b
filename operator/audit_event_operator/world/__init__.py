"""Who a stream is about and what they are doing: users, hosts, addresses, sessions, services. Pure."""
