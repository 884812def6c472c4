#!/usr/bin/python3
"""Prints a key and a token for every algorithm, made afresh by PyJWT, and signatures that nobody should accept.

{"good": [{name, alg, key, token}, ...], "bad": [{name, alg, key, token}, ...]}
"""
import base64
import json
import os
import sys

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length):
    return b64(value.to_bytes(length, "big"))


def rsa_key():
    key = rsa.generate_private_key(65537, 2048)
    n = key.public_key().public_numbers()
    return key, {"kty": "RSA", "n": number(n.n, 256), "e": number(n.e, 3)}


def ec_key(curve, name, length):
    key = ec.generate_private_key(curve)
    n = key.public_key().public_numbers()
    return key, {"kty": "EC", "crv": name, "x": number(n.x, length), "y": number(n.y, length)}


def ed25519_key():
    key = ed25519.Ed25519PrivateKey.generate()
    x = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return key, {"kty": "OKP", "crv": "Ed25519", "x": b64(x)}


def secret(length):
    key = os.urandom(length)
    return key, {"kty": "oct", "k": b64(key)}


MAKERS = {
    "RS256": rsa_key, "RS384": rsa_key, "RS512": rsa_key,
    "PS256": rsa_key, "PS384": rsa_key, "PS512": rsa_key,
    "ES256": lambda: ec_key(ec.SECP256R1(), "P-256", 32),
    "ES384": lambda: ec_key(ec.SECP384R1(), "P-384", 48),
    "ES512": lambda: ec_key(ec.SECP521R1(), "P-521", 66),
    "EdDSA": ed25519_key,
    "HS256": lambda: secret(32), "HS384": lambda: secret(48), "HS512": lambda: secret(64),
}

made = []
for alg, make in MAKERS.items():
    private, public = make()
    public.update(kid="py-" + alg, alg=alg, use="sig")
    claims = {"iss": "https://jose.example.com", "sub": "subject of " + alg, "aud": ["teamrbac", "somebody else"],
              "jti": alg, "iat": 1767225600, "nbf": 1767225600, "exp": 4102444800}
    token = jwt.encode(claims, private, algorithm=alg, headers={"kid": public["kid"], "typ": "at+jwt"})
    made.append({"name": alg, "alg": alg, "key": public, "token": token})


def pss(salt_length):
    return padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt_length)


def signed(name, alg, good):
    """A token by a new RSA key whose signature good() makes of (key, signed text)."""
    private, public = rsa_key()
    for i in range(100000):
        text = b64(json.dumps({"alg": alg, "n": i}).encode()) + "." + b64(b"{}")
        signature = good(private, text.encode())
        if signature:
            return {"name": name, "alg": alg, "key": public, "token": text + "." + b64(signature)}
    sys.exit("no such signature")


def shortened(padding_used):
    """One whose first byte is zero, without it: the same number, and another text."""
    def sign(key, text):
        signature = key.sign(text, padding_used, hashes.SHA256())
        return signature[1:] if signature[0] == 0 else None
    return sign


bad = [
    signed("RSA-PSS with a salt of another length than the hash", "PS256",
           lambda key, text: key.sign(text, pss(20), hashes.SHA256())),
    signed("RSA-PSS without salt", "PS256", lambda key, text: key.sign(text, pss(0), hashes.SHA256())),
    signed("RSA-PSS in place of PKCS #1", "RS256", lambda key, text: key.sign(text, pss(32), hashes.SHA256())),
    signed("PKCS #1 in place of RSA-PSS", "PS256",
           lambda key, text: key.sign(text, padding.PKCS1v15(), hashes.SHA256())),
    signed("a leading zero left out of RSA-PSS", "PS256", shortened(pss(32))),
    signed("a leading zero left out of PKCS #1", "RS256", shortened(padding.PKCS1v15())),
]
json.dump({"good": made, "bad": bad}, sys.stdout)
