"""Writes tokens.json: test-only keys, and tokens that PyJWT signs with them. Run by hand:

    pip install pyjwt==2.15.1 cryptography==50.0.2
    python tests/access/make_tokens.py > tests/access/tokens.json
"""

import json
import secrets

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

CLAIMS = {
    "sub": "ann",
    "exp": 2000000000,
    "iat": 1700000000,
    "aud": ["other", "fanfare"],
    "iss": "back end",
    "info": {"name": "Änn", "n": [1, 2.5, None]},
    "channels": ["news", "chat:lobby"],
}


def public_pem(key):
    """Returns the public part of a private key as PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def private_pem(key):
    """Returns a private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def rsa_key(bits):
    """Returns a new RSA key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def main():
    """Writes the file to stdout."""
    secret = secrets.token_urlsafe(32)
    families = {
        "hmac": (secret, ["HS256", "HS384", "HS512"]),
        "rsa": (rsa_key(2048), ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
        "p256": (ec.generate_private_key(ec.SECP256R1()), ["ES256"]),
        "p384": (ec.generate_private_key(ec.SECP384R1()), ["ES384"]),
        "ed25519": (ed25519.Ed25519PrivateKey.generate(), ["EdDSA"]),
    }
    keys, tokens = {}, {}
    for name, (key, algorithms) in families.items():
        if name == "hmac":
            keys[name] = {"secret": secret}
        else:
            keys[name] = {"public": public_pem(key), "private": private_pem(key)}
        for algorithm in algorithms:
            tokens[algorithm] = jwt.encode(CLAIMS, key, algorithm)
    # Keys that are refused.
    keys["rsa1024"] = {"public": public_pem(rsa_key(1024))}
    keys["p521"] = {"public": public_pem(ec.generate_private_key(ec.SECP521R1()))}
    keys["k256"] = {"public": public_pem(ec.generate_private_key(ec.SECP256K1()))}
    print(json.dumps({"keys": keys, "tokens": tokens}, indent=1))


main()
