"""A key management service on loopback, for the secrets of stacks under test.

It speaks the part of AWS KMS that Pulumi uses. With Pulumi's passphrase provider, each command derives the key anew,
which takes a third of its processor time. The tests of secrets and of whole clones use passphrases, as users do.
"""

import base64
import functools
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VARIABLES = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""Environment variables of the service's clients."""


@functools.cache
def secrets_provider() -> str:
    """The address for `pulumi stack init --secrets-provider`. The service ends with this process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"awskms:///test?region=us-east-1&awssdk=v2&endpoint=http://127.0.0.1:{server.server_port}"


class _Handler(BaseHTTPRequestHandler):
    kept: dict[str, str] = {}  # noqa: RUF012 - all requests share it

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["X-Amz-Target"].endswith(".Encrypt"):
            # The ciphertext is a random name, under which the service keeps the plain text.
            name = base64.b64encode(secrets.token_bytes(32)).decode()
            self.kept[name] = request["Plaintext"]
            self._answer(CiphertextBlob=name)
        else:
            self._answer(Plaintext=self.kept[request["CiphertextBlob"]])

    def _answer(self, **fields: str) -> None:
        body = json.dumps({"KeyId": "test"} | fields).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Log nothing."""
