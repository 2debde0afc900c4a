"""Asks an STS of its own over TLS, as the mock asks AWS, and prints the account and the number of known authorities.

A program for the mock's image: it shows that the interpreter's TLS, botocore and cryptography work there.
"""

import datetime as dt
import http.server
import ssl
import sys
import tempfile
import threading

import botocore.session
from botocore.httpsession import get_cert_path
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ANSWER = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)


class Sts(http.server.BaseHTTPRequestHandler):
    """Answers every request with ANSWER."""

    def do_POST(self) -> None:
        """Answer a request."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)


def certificate() -> str:
    """A file with a key and its certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(pem + made.public_bytes(serialization.Encoding.PEM))
    return file.name


if __name__ == "__main__":
    file = certificate()
    server = http.server.HTTPServer(("127.0.0.1", 0), Sts)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    session = botocore.session.Session()
    session.set_credentials("AKIA", "secret")
    url = f"https://localhost:{server.server_port}"
    sts = session.create_client("sts", "us-east-1", endpoint_url=url, verify=file)
    authorities = ssl.create_default_context(cafile=get_cert_path(True)).get_ca_certs()
    sys.stdout.write(f"{sts.get_caller_identity()['Account']} {len(authorities)}\n")
