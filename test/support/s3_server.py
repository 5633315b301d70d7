"""A server of the S3 protocol on a free loopback port, which it prints. Ends when its standard input does."""

import os
import sys
import threading

sys.path.insert(0, sys.argv[1])

from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

# moto looks whether an object is there and then writes it, in two steps; S3 does it in one.
WRITES = threading.Lock()
APPLICATION = DomainDispatcherApplication(create_backend_app)


def serve(environ, start_response):
    if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        return APPLICATION(environ, start_response)
    with WRITES:
        return list(APPLICATION(environ, start_response))


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_arguments):
        pass


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


server = make_server("127.0.0.1", 0, serve, threaded=True, request_handler=Quiet)
threading.Thread(target=end_with_parent, daemon=True).start()
print(server.port, flush=True)
server.serve_forever()
