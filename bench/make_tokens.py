"""Prints SQL: an issuer with a key for each algorithm, and tokens signed by them."""

import base64
import json
import sys
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length):
    return b64(value.to_bytes(length, "big"))


def make_key(algorithm):
    """A private key for PyJWT, and the public one as a JWK."""
    if algorithm.startswith("HS"):
        secret = ("a secret for " + algorithm).encode().ljust(64, b"x")
        return secret, {"kty": "oct", "k": b64(secret)}
    if algorithm == "EdDSA":
        key = ed25519.Ed25519PrivateKey.generate()
        return key, {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().public_bytes_raw() if hasattr(
            key.public_key(), "public_bytes_raw") else raw(key))}
    if algorithm.startswith("ES"):
        curve, name, size = {"ES256": (ec.SECP256R1(), "P-256", 32), "ES384": (ec.SECP384R1(), "P-384", 48),
                             "ES512": (ec.SECP521R1(), "P-521", 66)}[algorithm]
        key = ec.generate_private_key(curve)
        point = key.public_key().public_numbers()
        return key, {"kty": "EC", "crv": name, "x": number(point.x, size), "y": number(point.y, size)}
    key = rsa.generate_private_key(65537, 2048)
    n = key.public_key().public_numbers().n
    return key, {"kty": "RSA", "n": number(n, 256), "e": "AQAB"}


def raw(key):
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def main():
    count, algorithms = int(sys.argv[1]), sys.argv[2:]
    now = int(time.time())
    jwks = []
    print("COPY bench.token (algorithm, n, token) FROM stdin;")
    for algorithm in algorithms:
        key, jwk = make_key(algorithm)
        jwk.update(kid=algorithm, alg=algorithm)
        jwks.append(jwk)
        for n in range(1, count + 1):
            claims = {"iss": "https://bench.example.com", "aud": "app", "sub": "00000000-0000-0000-0000-0000000000a1",
                      "iat": now - 60, "exp": now + 86400, "jti": str(n), "email": "ann@example.com", "name": "Ann"}
            print(f"{algorithm}\t{n}\t{jwt.encode(claims, key, algorithm=algorithm, headers={'kid': algorithm})}")
    print("\\.")
    names = ", ".join(f"'{a}'" for a in algorithms)
    print(f"INSERT INTO bench.keys VALUES ('{json.dumps({'keys': jwks})}');")
    print(f"SELECT teamrbac.trust_issuer('https://bench.example.com', (SELECT keys FROM bench.keys), '{{app}}', ARRAY[{names}]);")


main()
