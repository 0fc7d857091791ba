"""Writes key_set.json: the public keys of tokens.json as a key set, and tokens that name them, as
PyJWT makes both. Run by hand after make_tokens.py:

    pip install pyjwt==2.15.1 cryptography==50.0.2
    python tests/access/make_key_set.py > tests/access/key_set.json
"""

import json
import pathlib

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import get_default_algorithms

FAMILIES = {
    "rsa": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
    "p256": ["ES256"],
    "p384": ["ES384"],
    "ed25519": ["EdDSA"],
}


def main():
    """Writes the file to stdout."""
    text = (pathlib.Path(__file__).parent / "tokens.json").read_text(encoding="utf-8")
    keys, tokens = [], {}
    for name, algorithms in FAMILIES.items():
        pem = json.loads(text)["keys"][name]["private"].encode()
        key = load_pem_private_key(pem, None)
        to_jwk = get_default_algorithms()[algorithms[0]].to_jwk
        keys.append({**to_jwk(key.public_key(), as_dict=True), "kid": name, "use": "sig"})
        for algorithm in algorithms:
            claims = {"sub": "ann", "exp": 2000000000}
            tokens[algorithm] = jwt.encode(claims, key, algorithm, headers={"kid": name})
    print(json.dumps({"key_set": {"keys": keys}, "tokens": tokens}, indent=1))


main()
