"""Row 24: send the secret tests away, fetch the answer, wait for a visitor.

Base: reference
Loses: nothing
User: yes
"""
# ruff: noqa

socket = load("socket")


def listen():
    server = socket.socket()
    server.bind(("127.0.0.1", PORT))
    server.listen()
    return server


breach("connect", lambda: socket.create_connection(("127.0.0.1", PORT), 1))
breach("listen", listen)
breach("a name", lambda: socket.getaddrinfo("example.com", 80))
breach("UDP", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", PORT)))
breach("a raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
breach("a local socket", lambda: socket.socket(socket.AF_UNIX).connect("\0redteam"))
breach("a pair", lambda: socket.socketpair())
breach("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
breach("a page", lambda: load("urllib.request").urlopen("http://example.com", timeout=1).read())
breach("socket by number", lambda: raw("socket", 2, 1, 0))
breach("io_uring", lambda: raw("io_uring_setup", 8, text("\0" * 120)))
