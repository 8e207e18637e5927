"""The clients, in the order of the table."""
from clients.apt import Apt
from clients.chromium import Chromium
from clients.client import Client
from clients.curl import Curl
from clients.firefox import Firefox
from clients.git import Git
from clients.scripts import Go, Requests, Undici, Urllib
from clients.wget import Wget

CLIENTS: tuple[type[Client], ...] = (Curl, Wget, Git, Requests, Urllib, Undici, Apt, Go, Chromium, Firefox)
