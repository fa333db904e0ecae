# Peers that others' code drives: Python's http.server and http.client, and small programs on plain sockets.
# `serve PORT_1_0 PORT_1_1 PORT_ECHO PORT_MAIL` is the target; `visit HOST PORT USER` and `raw HOST PORT_ECHO PORT_MAIL` print what they were answered.

import hashlib
import http.client
import http.server
import json
import socket
import socketserver
import sys
import threading
import time
import urllib.request


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"target {self.command} {self.path}\n".encode()
        if self.path == "/until-close":
            # Its length is told by the connection's end alone.
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body * 20000)
            return
        if self.path == "/unchanged":
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def do_POST(self):
        body = self.chunked() if self.headers["Transfer-Encoding"] == "chunked" else self.rfile.read(int(self.headers["Content-Length"]))
        seen = {"by": "target", "line": self.requestline, "headers": self.headers.items()}
        seen |= {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        answer = json.dumps(seen).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PUT = do_POST

    def chunked(self):
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def log_message(self, *_):
        pass


class Kept(Answers):
    protocol_version = "HTTP/1.1"


class Echo(socketserver.BaseRequestHandler):
    """Answers when its peer has ended."""

    def handle(self):
        received = b""
        while part := self.request.recv(65536):
            received += part
        self.request.sendall(b"received " + str(len(received)).encode() + b" " + hashlib.sha256(received).hexdigest().encode())


class Mail(socketserver.StreamRequestHandler):
    """Speaks first, as mail servers do."""

    def handle(self):
        self.wfile.write(b"220 target ready\r\n")
        for line in self.rfile:
            if line.strip() == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 " + line)


class Threads(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A peer that has gone is no news."""


def serve(ports):
    servers = [Threads(("", int(port)), handler) for port, handler in zip(ports, [Answers, Kept, Echo, Mail])]
    for server in servers:
        threading.Thread(target=server.serve_forever).start()


def shown(answer):
    headers = [(name, value) for name, value in answer.getheaders() if name.lower() != "date"]
    body = answer.read()
    text = body.decode() if len(body) < 2000 else hashlib.sha256(body).hexdigest()
    return [answer.version, answer.status, answer.reason, headers, len(body), text]


def visit(host, port, user):
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    headers = {"X-User": user}
    for method, path in [("GET", "/kept"), ("GET", "/kept"), ("HEAD", "/head"), ("GET", "/unchanged"), ("GET", "/until-close"), ("GET", "/after")]:
        connection.request(method, path, headers=headers)
        print(method, path, json.dumps(shown(connection.getresponse())))
    connection.request("POST", "/upload", body=bytes(300_000), headers=headers)
    print("upload", json.dumps(shown(connection.getresponse())))
    # Pieces of no known length are sent in chunks.
    connection.request("POST", "/chunks", body=iter([b"one", b"two" * 50_000]), headers=headers, encode_chunked=True)
    print("chunks", json.dumps(shown(connection.getresponse())))
    connection.close()
    for data in [None, b"a=1&b=2"]:
        with urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/url", data=data, headers=headers), timeout=10) as answer:
            print("urllib", json.dumps(shown(answer)))


def conversation(host, port, text):
    """Sends all, ends its own direction, then reads what is answered, as `nc -N` does."""
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
        return received


def raw(host, echo, mail):
    print("echo", conversation(host, echo, b"\x00not HTTP\n"))
    print("much", conversation(host, echo, bytes(range(256)) * 8000))
    print("nothing", conversation(host, echo, b""))
    with socket.create_connection((host, int(mail)), timeout=10) as connection:
        begun = time.monotonic()
        lines = connection.makefile("rwb")
        print("banner", lines.readline(), "late" if time.monotonic() - begun > 1.5 else "at once")
        for line in [b"HELO me\r\n", b"NOOP\r\n", b"QUIT\r\n"]:
            lines.write(line)
            lines.flush()
            print("mail", lines.readline())
        print("end", lines.read())


if __name__ == "__main__":
    {"serve": lambda *ports: serve(ports), "visit": visit, "raw": raw}[sys.argv[1]](*sys.argv[2:])
