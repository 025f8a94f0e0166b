"""Where events may go: destinations, brokers and the rules about them. Pure: looks nothing up and connects to nothing."""
