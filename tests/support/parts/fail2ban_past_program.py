"""Run by Debian's Python, which has fail2ban: sets its server up as `fail2ban-client` would, and gives it a log of sshd.

Nothing is started: no thread, no socket, no database, no firewall. Before each line, fail2ban's clock is set to its time.
Arguments: folder of the configuration, the log, its beginning in seconds since 1970. Writes JSON.
"""

import json
import logging
import sys
from pathlib import Path

from fail2ban.client.configurator import Configurator
from fail2ban.server.mytime import MyTime
from fail2ban.server.server import Server
from fail2ban.server.transmitter import Transmitter

JAIL = "sshd"
FOR_THE_JAIL = ("set", "multi-set")
LEFT_OUT = {"addlogpath", "addaction", "action"}


def jail_for_sshd(folder):
    """As the configuration has it, but for where it reads, and what it does about a ban."""
    configurator = Configurator()
    configurator.setBaseDir(folder)
    configurator.readAll()
    if not configurator.getOptions(JAIL):
        sys.exit("The configuration of sshd's jail is wrong.")
    configurator.convertToProtocol(allow_no_files=True)
    server = Server(daemon=False)
    transmitter = Transmitter(server)
    for command in configurator.getConfigStream():
        wanted = command[0] == "add" or (command[0] in FOR_THE_JAIL and command[1] == JAIL)
        if wanted and not LEFT_OUT.intersection(command[2:3]):
            code, answer = transmitter.proceed(command)
            if code:
                sys.exit(f"fail2ban refused {command}: {answer}")
    return server._Server__jails[JAIL]  # no method returns a jail


def main(folder, log, start):
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    MyTime.setTime(float(start))
    jail = jail_for_sshd(folder)
    jail_filter = jail.filter
    lines, bans = 0, []
    with Path(log).open(encoding="utf-8", newline="\n") as written:
        for line in written:
            lines += 1
            found = jail_filter.dateDetector.getTime(line)
            if found is None:
                sys.exit(f"No time in {line!r}")
            MyTime.setTime(found[0])
            jail_filter.processLineAndAdd(line.rstrip("\n"))
            while ticket := jail.getFailTicket():
                bans.append((str(ticket.getID()), ticket.getTime(), ticket.getAttempt()))
    print(json.dumps({"lines": lines, "failures": jail_filter.failManager.getFailTotal(), "bans": bans}))


if __name__ == "__main__":
    main(*sys.argv[1:])
