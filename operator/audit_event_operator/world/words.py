"""What made-up users and hosts are called, and what they run. Data only."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

INITIALS: Final = "abcdefghijklmnoprstvwyz"
SURNAMES: Final[tuple[str, ...]] = (
    "adams", "ahmed", "allen", "almeida", "alvarez", "andersen", "anderson", "bailey", "baker", "banerjee", "barbosa",
    "barnes", "becker", "bell", "bennett", "berg", "bianchi", "black", "bose", "bouchard", "brooks", "brown", "bruno",
    "butler", "campbell", "carter", "castro", "chan", "chatterjee", "chavez", "chen", "clark", "cohen", "cole", "collins",
    "conti", "cook", "cooper", "costa", "cox", "cruz", "dahl", "das", "davies", "davis", "delgado", "desai", "diaz",
    "dietrich", "dubois", "duran", "edwards", "evans", "fernandes", "ferrari", "fischer", "fontaine", "ford", "foster",
    "fournier", "fraser", "garcia", "garner", "gauthier", "gibson", "gomes", "gonzalez", "graham", "grant", "gray", "green",
    "greco", "gupta", "haddad", "hall", "hamilton", "hansen", "harris", "hartmann", "hayashi", "henry", "hernandez", "hill",
    "hoffman", "holm", "howard", "hughes", "ibrahim", "ito", "jackson", "jain", "james", "jansen", "jensen", "johansson",
    "johnson", "jones", "joshi", "kaplan", "kaur", "keller", "kelly", "khan", "kim", "klein", "koch", "kovac", "kowalski",
    "krause", "kumar", "lambert", "lang", "larsen", "laurent", "lee", "lehmann", "leroy", "lewis", "li", "lin", "lindberg",
    "lopez", "ma", "marino", "martin", "martinez", "mason", "mehta", "mendes", "meyer", "miller", "mishra", "mitchell",
    "moore", "morales", "moreau", "morgan", "morris", "mueller", "murphy", "murray", "nair", "nakamura", "navarro", "nelson",
    "newman", "nguyen", "nielsen", "novak", "okafor", "oliveira", "olsen", "ortiz", "owens", "park", "parker", "patel",
    "perez", "peters", "pham", "phillips", "pinto", "popov", "price", "qureshi", "ramirez", "ramos", "rao", "reddy", "reed",
    "reyes", "ricci", "richards", "rivera", "roberts", "robinson", "rodriguez", "rogers", "romero", "rossi", "roux",
    "russell", "saito", "santos", "sato", "schmidt", "schulz", "scott", "sharma", "shaw", "silva", "simmons", "singh",
    "smith", "sokolov", "sousa", "stevens", "stewart", "suzuki", "tanaka", "taylor", "thomas", "thompson", "torres", "tran",
    "turner", "vargas", "vasquez", "verma", "vogel", "wagner", "walker", "wang", "ward", "watson", "weber", "west", "white",
    "williams", "wilson", "wolf", "wong", "wood", "wright", "wu", "yamamoto", "yang", "young", "yusuf", "zhang", "zhao",
    "zimmermann",
)  # fmt: skip
NUMBERS: Final = 24
"""So many people share initial and surname at most; the second one is called `asmith2`."""

ENVIRONMENTS: Final[tuple[str, ...]] = ("prod", "stage", "test", "dev")
SERVICES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "web": ("nginx.service", "php8.2-fpm.service", "cron.service"),
        "db": ("postgresql.service", "pgbouncer.service", "cron.service"),
        "api": ("gunicorn.service", "nginx.service", "redis-server.service"),
        "worker": ("celery.service", "redis-server.service", "cron.service"),
        "cache": ("redis-server.service", "memcached.service", "cron.service"),
        "mail": ("postfix.service", "dovecot.service", "cron.service"),
        "proxy": ("haproxy.service", "keepalived.service", "cron.service"),
        "mq": ("rabbitmq-server.service", "epmd.service", "cron.service"),
        "ci": ("docker.service", "gitlab-runner.service", "cron.service"),
        "files": ("smbd.service", "nfs-server.service", "cron.service"),
    }
)
"""What runs on a host of a role."""

ROLES: Final[tuple[str, ...]] = tuple(SERVICES)
HOSTS_PER_NAME: Final = 250

COMMANDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "admin": (
            "/usr/bin/apt update",
            "/usr/bin/apt list --upgradable",
            "/usr/bin/systemctl restart nginx",
            "/usr/bin/systemctl status postgresql",
            "/usr/bin/journalctl -u nginx --since today",
            "/usr/sbin/logrotate /etc/logrotate.conf",
            "/usr/bin/df -h",
            "/usr/sbin/ufw status",
            "/usr/bin/ss -ltn",
        ),
        "developer": (
            "/usr/bin/systemctl restart gunicorn",
            "/usr/bin/systemctl status celery",
            "/usr/bin/journalctl -u gunicorn -n 200",
            "/usr/bin/docker ps",
            "/usr/bin/docker compose up -d",
            "/usr/bin/tail -n 100 /var/log/nginx/error.log",
            "/usr/bin/redis-cli info",
        ),
        "service": (
            "/usr/bin/rsync -a /srv/www/ /backup/www/",
            "/usr/bin/systemctl reload haproxy",
            "/usr/bin/systemctl is-active postgresql",
            "/usr/sbin/logrotate /etc/logrotate.d/nginx",
            "/usr/bin/find /var/tmp -mtime +7 -delete",
        ),
        "office": (
            "/usr/bin/lpstat -p",
            "/usr/bin/apt install -y libreoffice-calc",
            "/usr/bin/mount /mnt/share",
            "/usr/bin/timedatectl",
        ),
    }
)
"""What people run with sudo. Nothing here is in a public detection rule of level medium or above."""

FILES: Final[tuple[tuple[str, str], ...]] = (
    ("/var/www/html/index.php", "INFO"),
    ("/var/www/html/assets/site.css", "INFO"),
    ("/srv/app/templates/report.html", "INFO"),
    ("/var/log/nginx/access.log", "INFO"),
    ("/opt/app/config.json", "WARNING"),
    ("/opt/app/settings.yaml", "WARNING"),
    ("/etc/nginx/nginx.conf", "WARNING"),
    ("/etc/logrotate.d/nginx", "WARNING"),
    ("/etc/motd", "INFO"),
    ("/srv/app/release.txt", "INFO"),
)
"""What people change, and how bad that is. No sensitive path."""
