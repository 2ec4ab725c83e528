//! Tokens signed with ML-DSA and SLH-DSA: the octets that RFC 9882 and RFC 9814 ask for, what another implementation of
//! CMS makes of them, and the strict verifier's verdict.

use attestamp_certs::{HashAlgorithm, MlDsa, SignatureAlgorithm, SlhDsa, TrustAnchors};
use attestamp_tsa::verify::{
    Expectations, ExpectedImprint, ExpectedNonce, TokenInvalid, VerifiedToken, verify_token,
};
use attestamp_tsa::{Query, TimeStampResp};
use cms::cert::CertificateChoices;
use cms::content_info::CmsVersion;
use cms::signed_data::SignerIdentifier;
use der::asn1::OctetString;
use der::{Decode, Encode};
use hex_literal::hex;

use crate::cms_round_trip::signed_data;
use crate::post_quantum_tsu::{PostQuantumTsu, element};

/// A signer, the digest beside its signatures, and the whole identifiers of both, without parameters (C1, C2).
struct Case {
    algorithm: SignatureAlgorithm,
    digest: HashAlgorithm,
    digest_identifier: [u8; 13],
    signature_identifier: [u8; 13],
    signature_octets: usize,
}

const CASES: [Case; 5] = [
    Case {
        algorithm: SignatureAlgorithm::MlDsa(MlDsa::MlDsa44),
        digest: HashAlgorithm::Sha512,
        digest_identifier: hex!("300b 0609 608648016503040203"),
        signature_identifier: hex!("300b 0609 608648016503040311"),
        signature_octets: 2420,
    },
    Case {
        algorithm: SignatureAlgorithm::MlDsa(MlDsa::MlDsa65),
        digest: HashAlgorithm::Sha512,
        digest_identifier: hex!("300b 0609 608648016503040203"),
        signature_identifier: hex!("300b 0609 608648016503040312"),
        signature_octets: 3309,
    },
    Case {
        algorithm: SignatureAlgorithm::MlDsa(MlDsa::MlDsa87),
        digest: HashAlgorithm::Sha512,
        digest_identifier: hex!("300b 0609 608648016503040203"),
        signature_identifier: hex!("300b 0609 608648016503040313"),
        signature_octets: 4627,
    },
    Case {
        algorithm: SignatureAlgorithm::SlhDsa(SlhDsa::Sha2_128f),
        digest: HashAlgorithm::Sha256,
        digest_identifier: hex!("300b 0609 608648016503040201"),
        signature_identifier: hex!("300b 0609 608648016503040315"),
        signature_octets: 17_088,
    },
    Case {
        algorithm: SignatureAlgorithm::SlhDsa(SlhDsa::Shake128f),
        digest: HashAlgorithm::Shake128,
        digest_identifier: hex!("300b 0609 60864801650304020b"),
        signature_identifier: hex!("300b 0609 60864801650304031b"),
        signature_octets: 17_088,
    },
];

const DATA: &[u8] = b"what is stamped";
const NONCE: [u8; 8] = [0x7f, 2, 3, 4, 5, 6, 7, 8];

fn query() -> Query {
    let hash = HashAlgorithm::Sha256;
    Query::new(hash, hash.digest(DATA).as_ref()).unwrap().with_nonce(&NONCE).with_cert_req(true)
}

/// A token with what it was made of.
struct Issued {
    case: &'static Case,
    tsu: PostQuantumTsu,
    tst_info: Vec<u8>,
    /// As the signature covers them.
    signed_attributes: Vec<u8>,
    signature: Vec<u8>,
    reply: Vec<u8>,
}

impl Issued {
    fn new(case: &'static Case) -> Self {
        let tsu = PostQuantumTsu::new(case.algorithm);
        let unsigned = tsu.unsigned(&query());
        let tst_info = unsigned.tst_info().to_vec();
        let signed_attributes = unsigned.to_be_signed().to_vec();
        let signature = tsu.sign(&signed_attributes);
        assert_eq!(signature.len(), case.signature_octets);
        let reply = TimeStampResp::granted(unsigned.attach(&signature));
        Self { case, tsu, tst_info, signed_attributes, signature, reply }
    }

    fn check_octets(&self) {
        let name = self.case.algorithm.name();
        assert_eq!(self.signed_attributes[0], 0x31, "{name}: RFC 5652 §5.4: what is signed is a SET OF");
        let attributes = [&[0xa0], &self.signed_attributes[1..]].concat();
        let position = self.reply.windows(attributes.len()).position(|window| window == attributes).unwrap();
        let (before, after) = (&self.reply[..position], &self.reply[position + attributes.len()..]);
        let signature = element(0x04, &[&self.signature]);
        assert_eq!(after, [&self.case.signature_identifier[..], &signature].concat(), "{name}");
        let before = before.strip_suffix(&self.case.digest_identifier[..]);
        let before = before.unwrap_or_else(|| panic!("{name}: another digestAlgorithm"));
        // issuer and serial number of the TSU's certificate; version 1 stands before them.
        let certificate = x509_cert::Certificate::from_der(&self.tsu.chain[0]).unwrap();
        let tbs = certificate.tbs_certificate();
        let [issuer, serial] = [tbs.issuer().to_der(), tbs.serial_number().to_der()].map(Result::unwrap);
        let sid = element(0x30, &[&issuer, &serial]);
        assert!(before.ends_with(&[&hex!("020101")[..], &sid].concat()), "{name}");
        let digest_algorithms = element(0x31, &[&self.case.digest_identifier]);
        assert!(self.reply.windows(15).any(|window| window == digest_algorithms), "{name}");
    }

    /// What the `cms` crate reads, after it encoded the token to the same octets.
    fn check_decoded(&self) {
        let name = self.case.algorithm.name();
        let signed_data = signed_data(&self.reply);
        assert_eq!(signed_data.version, CmsVersion::V3);
        let [digest] = signed_data.digest_algorithms.as_slice() else { panic!("{name}: one digest") };
        assert_eq!((digest.oid, &digest.parameters), (self.case.digest.oid(), &None), "{name}");
        let certificates = signed_data.certificates.as_ref().unwrap();
        assert_eq!(certificates.0.len(), 2, "{name}: TSU and sub-CA");
        let first = certificates.0.iter().next().unwrap();
        let CertificateChoices::Certificate(first) = first else { panic!("{name}: a certificate") };
        // Clients that take the first certificate for the signer's find it.
        assert_eq!(first.to_der().unwrap(), self.tsu.chain[0].as_ref(), "{name}");

        let [signer] = signed_data.signer_infos.0.as_slice() else { panic!("{name}: one SignerInfo") };
        assert_eq!(signer.version, CmsVersion::V1);
        assert!(matches!(signer.sid, SignerIdentifier::IssuerAndSerialNumber(_)), "{name}");
        assert_eq!(signer.digest_alg.oid, self.case.digest.oid());
        assert_eq!(signer.digest_alg.parameters, None, "{name}");
        assert_eq!(signer.signature_algorithm.parameters, None, "{name}");
        assert!(signer.unsigned_attrs.is_none());
        let attributes = signer.signed_attrs.as_ref().unwrap();
        assert_eq!(attributes.to_der().unwrap(), self.signed_attributes, "{name}: the SET OF");
        let message_digest = attributes.iter().find(|one| one.oid.to_string() == "1.2.840.113549.1.9.4");
        let value: OctetString = message_digest.unwrap().values.get(0).unwrap().decode_as().unwrap();
        assert_eq!(value.as_bytes(), self.case.digest.digest(&self.tst_info).as_ref(), "{name}");

        let verify = |message: &[u8]| {
            self.case.algorithm.verify(&self.tsu.key.spki_der, message, signer.signature.as_bytes())
        };
        assert_eq!(verify(&self.signed_attributes), Ok(()), "{name}");
        // Not over the [0] that stands in the SignerInfo, and not over the content.
        assert!(verify(&[&[0xa0], &self.signed_attributes[1..]].concat()).is_err(), "{name}");
        assert!(verify(&self.tst_info).is_err(), "{name}");
    }

    fn verify(&self, reply: &[u8]) -> Result<VerifiedToken, TokenInvalid> {
        let anchors = TrustAnchors::from_certificates(vec![self.tsu.chain[2].clone()]).unwrap();
        verify_token(
            reply,
            &Expectations {
                imprint: ExpectedImprint::Data(DATA),
                nonce: ExpectedNonce::Value(&NONCE),
                policy: None,
                anchors: &anchors,
                certificates: &[],
                crls: &[],
                at: None,
            },
        )
    }

    fn check_verdict(&self) {
        let name = self.case.algorithm.name();
        let verified = self.verify(&self.reply).unwrap();
        assert_eq!(verified.signature_algorithm, self.case.algorithm);
        assert!(verified.chain.is_post_quantum, "{name}");
        assert_eq!(verified.chain.intermediates, 1);
        let mut changed = self.reply.clone();
        let middle_of_signature = changed.len() - self.signature.len() / 2;
        changed[middle_of_signature] ^= 1;
        let error = self.verify(&changed).unwrap_err();
        assert!(matches!(error, TokenInvalid::Signature { .. }), "{name}: {error}");
    }
}

/// One `#[test]` for each, so that they run side by side.
macro_rules! cases {
    ($($name:ident: $index:literal;)*) => {
        $(#[test]
        fn $name() {
            let issued = Issued::new(&CASES[$index]);
            issued.check_octets();
            issued.check_decoded();
            issued.check_verdict();
        })*
    };
}

cases! {
    ml_dsa_44: 0;
    ml_dsa_65: 1;
    ml_dsa_87: 2;
    slh_dsa_sha2_128f: 3;
    slh_dsa_shake_128f: 4;
}

#[test]
fn a_token_without_certificates_is_verified_with_those_at_hand() {
    let tsu = PostQuantumTsu::new(SignatureAlgorithm::MlDsa(MlDsa::MlDsa65));
    let unsigned = tsu.unsigned(&query().with_cert_req(false));
    let signature = tsu.sign(unsigned.to_be_signed());
    let reply = TimeStampResp::granted(unsigned.attach(&signature));
    assert!(signed_data(&reply).certificates.is_none());
    let anchors = TrustAnchors::from_certificates(vec![tsu.chain[2].clone()]).unwrap();
    let expected = Expectations {
        imprint: ExpectedImprint::Data(DATA),
        nonce: ExpectedNonce::Any,
        policy: None,
        anchors: &anchors,
        certificates: &tsu.chain[..2],
        crls: &[],
        at: None,
    };
    assert!(verify_token(&reply, &expected).unwrap().chain.is_post_quantum);
    let missing = verify_token(&reply, &Expectations { certificates: &[], ..expected }).unwrap_err();
    assert!(matches!(missing, TokenInvalid::SignerCertificateMissing), "{missing:?}");
}
