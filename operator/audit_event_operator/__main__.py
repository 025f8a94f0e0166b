"""`python -m audit_event_operator` is the command `audit-event-operator`."""

from audit_event_operator.cli import main

if __name__ == "__main__":
    main(prog_name="audit-event-operator")
