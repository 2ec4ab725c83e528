"""The verdict of Python's cryptography on the raw signatures of tokens.

Arguments in groups of four: the signed attributes as they are signed (a DER SET OF, tag 0x31), the signature, the
signer's certificate as PEM, and the name of the hash that goes with an ECDSA or RSA signature (other keys take no hash:
ML-DSA is verified in pure mode with an empty context). One line is printed for each group, in their order: `accepted`,
or `refused: ` or `unsupported: ` and the reason. The exit code is 1 unless all were accepted.

It parses no CMS: what is signed, and by whom, is the caller's to find.
"""

import sys
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa

HASHES = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}
ML_DSA = (mldsa.MLDSA44PublicKey, mldsa.MLDSA65PublicKey, mldsa.MLDSA87PublicKey)


def verify(signed: bytes, signature: bytes, certificate: bytes, hash_name: str) -> None:
    key = x509.load_pem_x509_certificate(certificate).public_key()
    if isinstance(key, (*ML_DSA, ed25519.Ed25519PublicKey)):
        key.verify(signature, signed)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, signed, ec.ECDSA(HASHES[hash_name]()))
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, padding.PKCS1v15(), HASHES[hash_name]())
    else:
        raise UnsupportedAlgorithm(f"a key of the type {type(key).__name__}")


def verdict(signed: str, signature: str, certificate: str, hash_name: str) -> str:
    files = (Path(name).read_bytes() for name in (signed, signature, certificate))
    try:
        verify(*files, hash_name)
    except InvalidSignature:
        return "refused: the signature does not verify"
    except ValueError as reason:
        return f"refused: {reason}"
    except UnsupportedAlgorithm as reason:
        return f"unsupported: {reason}"
    return "accepted"


def main(arguments: list[str]) -> int:
    if not arguments or len(arguments) % 4 != 0:
        print("usage: verify_signatures.py (ATTRIBUTES SIGNATURE CERTIFICATE HASH)...", file=sys.stderr)
        return 2
    verdicts = [verdict(*arguments[start : start + 4]) for start in range(0, len(arguments), 4)]
    print("\n".join(verdicts))
    return 0 if all(line == "accepted" for line in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
