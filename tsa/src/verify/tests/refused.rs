//! One thing wrong at a time, each with its own error.

use attestamp_certs::chain::ChainError;
use attestamp_certs::tsu_certificate::TsuCertificateInvalid;
use attestamp_certs::{CertificateDer, HashAlgorithm, RevocationList, SignatureAlgorithmRefused};
use hex_literal::hex;
use rcgen::{CustomExtension, KeyPair, date_time_ymd};

use super::forgery::{
    Forgery, SHA256, attribute, content_type_attribute, extended_key_usage, gen_time, issuer_of, new_root,
    place, sequence, tsu_certificate,
};
use crate::verify::{ExpectedImprint, ExpectedNonce, SignedAttribute, TokenInvalid, TokenPart};
use attestamp_strict_der::{Malformed, Reason};
use attestamp_strict_der::{element, tag};

macro_rules! refused {
    ($change:expr, $pattern:pat $(if $guard:expr)?) => {{
        let mut forgery = Forgery::new();
        #[allow(clippy::redundant_closure_call, reason = "the change is given as a closure")]
        $change(&mut forgery);
        let error = forgery.verify().unwrap_err();
        assert!(matches!(error, $pattern $(if $guard)?), "{error:?}");
    }};
}

/// The reason of a malformed part.
macro_rules! malformed {
    ($part:ident, $reason:pat) => {
        TokenInvalid::Malformed { part: TokenPart::$part, source: Malformed { reason: $reason, .. } }
    };
}

#[test]
fn the_forgery_without_a_change_holds() {
    let token = Forgery::new().verify().unwrap();
    assert_eq!(token.gen_time.unix_seconds(), 1_770_091_506);
    assert_eq!(token.certificate.subject(), "CN=Test TSU");
    assert_eq!(token.nonce, Some(vec![7]));
    assert_eq!(token.hash, HashAlgorithm::Sha256);
}

#[test]
fn the_structure_of_cms() {
    refused!(
        |f: &mut Forgery| f.content_type = hex!("0609 2a864886f70d010703").to_vec(),
        TokenInvalid::NotSignedData
    );
    refused!(
        |f: &mut Forgery| f.signed_data_version = hex!("020101").to_vec(),
        TokenInvalid::Version { part: TokenPart::SignedData, required: 3 }
    );
    refused!(
        |f: &mut Forgery| f.e_content_type = hex!("0609 2a864886f70d010701").to_vec(),
        TokenInvalid::NotTstInfo
    );
    refused!(|f: &mut Forgery| f.signer_count = 2, TokenInvalid::SignerCount { found: 2 });
    refused!(|f: &mut Forgery| f.signer_count = 0, TokenInvalid::SignerCount { found: 0 });
    refused!(
        |f: &mut Forgery| f.signer_version = hex!("020103").to_vec(),
        TokenInvalid::Version { part: TokenPart::SignerInfo, required: 1 }
    );
    refused!(
        |f: &mut Forgery| f.signer_identifier = hex!("8004 01020304").to_vec(),
        TokenInvalid::SignerNotByIssuerAndSerial
    );
    refused!(
        |f: &mut Forgery| f.certificates = vec![f.certificates[0].clone(); 33],
        TokenInvalid::TooManyCertificates
    );
    refused!(
        |f: &mut Forgery| f.certificates.push(hex!("a1 02 0500").to_vec()),
        malformed!(SignedData, Reason::UnexpectedTag { .. })
    );
}

#[test]
fn the_encoding_is_der() {
    refused!(
        |f: &mut Forgery| f.change_token = |token| [token.as_slice(), &[0]].concat(),
        malformed!(SignedData, Reason::TrailingData { octets: 1 })
    );
    refused!(
        |f: &mut Forgery| f.change_token = |mut token| {
            token.truncate(token.len() - 1);
            token
        },
        malformed!(SignedData, Reason::Truncated { .. })
    );
    // BER: the indefinite form around the whole.
    refused!(
        |f: &mut Forgery| f.change_token = |token| [&hex!("3080"), &token[4..], &[0, 0]].concat(),
        malformed!(SignedData, Reason::IndefiniteLength)
    );
    refused!(
        |f: &mut Forgery| f.change_token = |token| [&hex!("3083 00"), &token[2..]].concat(),
        malformed!(SignedData, Reason::NonMinimalLength)
    );
    let large = vec![0x30; crate::verify::MAX_TOKEN_OCTETS + 1];
    let error = crate::verify::UnverifiedToken::parse(&large).unwrap_err();
    assert!(matches!(error, TokenInvalid::TooLarge { .. }), "{error}");
}

#[test]
fn algorithms() {
    let sha1 = hex!("3007 0605 2b0e03021a");
    refused!(
        move |f: &mut Forgery| f.digest_algorithm = sha1.to_vec(),
        TokenInvalid::HashNotAccepted { part: TokenPart::SignerInfo }
    );
    refused!(
        |f: &mut Forgery| f.digest_algorithm = hex!("300e 0609 608648016503040201 0201 01").to_vec(),
        TokenInvalid::HashParameters { part: TokenPart::SignerInfo }
    );
    let sha384 = hex!("300b 0609 608648016503040202");
    refused!(
        move |f: &mut Forgery| f.digest_algorithms = sha384.to_vec(),
        TokenInvalid::DigestAlgorithmNotListed
    );
    refused!(
        move |f: &mut Forgery| f.digest_algorithms = [sha384, SHA256].concat(),
        TokenInvalid::NotSorted { part: TokenPart::SignedData }
    );
    let ecdsa_with_null = hex!("300c 0608 2a8648ce3d040302 0500");
    refused!(
        move |f: &mut Forgery| f.signature_algorithm = ecdsa_with_null.to_vec(),
        TokenInvalid::SignatureAlgorithmNotAccepted { source: SignatureAlgorithmRefused::Unknown }
    );
    let ecdsa_with_sha384 = hex!("300a 0608 2a8648ce3d040303");
    refused!(
        move |f: &mut Forgery| f.signature_algorithm = ecdsa_with_sha384.to_vec(),
        TokenInvalid::DigestMismatch { digest: HashAlgorithm::Sha256, .. }
    );
    // The key is not RSA.
    let rsa_encryption = hex!("300d 0609 2a864886f70d010101 0500");
    refused!(
        move |f: &mut Forgery| f.signature_algorithm = rsa_encryption.to_vec(),
        TokenInvalid::Signature { .. }
    );
}

#[test]
fn the_tst_info() {
    let put = |place: usize, der: Vec<u8>| move |f: &mut Forgery| f.tst_info[place] = der;
    refused!(
        put(place::VERSION, hex!("020102").to_vec()),
        TokenInvalid::Version { part: TokenPart::TstInfo, required: 1 }
    );
    refused!(
        put(place::SERIAL, [&hex!("0216")[..], &[1; 22]].concat()),
        TokenInvalid::SerialTooLong { found: 22 }
    );
    refused!(put(place::SERIAL, hex!("0202 0001").to_vec()), malformed!(TstInfo, Reason::IntegerNotMinimal));
    for text in
        ["20260203040506", "20260203040506.10Z", "20260203040560Z", "202602030405Z", "20260203040506+0000"]
    {
        refused!(put(place::GEN_TIME, gen_time(text)), TokenInvalid::GenTime);
    }
    for accuracy in ["3000", "3004 800203e8", "3003 800100", "3003 0201ff", "3003 8101ff"] {
        let der = octets(accuracy);
        refused!(put(place::ACCURACY, der), TokenInvalid::Accuracy);
    }
    refused!(put(place::ORDERING, hex!("010100").to_vec()), malformed!(TstInfo, Reason::EncodedDefault));
    refused!(put(place::ORDERING, hex!("010101").to_vec()), malformed!(TstInfo, Reason::Boolean));
    refused!(put(place::EXTENSIONS, hex!("a100").to_vec()), malformed!(TstInfo, Reason::EmptyList));
    refused!(
        put(place::EXTENSIONS, hex!("a10d 300b 0603 2a0304 0101ff 0401 00").to_vec()),
        TokenInvalid::CriticalExtension
    );
    refused!(put(place::TSA, hex!("a00d 820b 7473612e6578616d706c65").to_vec()), TokenInvalid::TsaName);
    refused!(
        |f: &mut Forgery| f.tst_info.push(hex!("0500").to_vec()),
        malformed!(TstInfo, Reason::TrailingData { octets: 2 })
    );
    let imprint = |algorithm: &[u8], octets: usize| {
        sequence(&[algorithm, &element(tag::OCTET_STRING, &[&vec![1; octets]])])
    };
    refused!(
        put(place::IMPRINT, imprint(&SHA256, 31)),
        TokenInvalid::ImprintLength { hash: HashAlgorithm::Sha256, found: 31 }
    );
    refused!(
        put(place::IMPRINT, imprint(&hex!("3007 0605 2b0e03021a"), 20)),
        TokenInvalid::HashNotAccepted { part: TokenPart::TstInfo }
    );
    // An extension that is not critical is none of the verifier's business.
    let mut tolerated = Forgery::new();
    tolerated.tst_info[place::EXTENSIONS] = hex!("a10a 3008 0603 2a0304 0401 00").to_vec();
    tolerated.verify().unwrap();
}

#[test]
fn what_was_expected() {
    let forgery = Forgery::new();
    let error = forgery.verify_with(&[], |e| e.imprint = ExpectedImprint::Data(b"other")).unwrap_err();
    assert!(matches!(error, TokenInvalid::Imprint { .. }), "{error}");
    for nonce in [ExpectedNonce::Absent, ExpectedNonce::Value(&[8]), ExpectedNonce::Value(&[0, 7])] {
        let error = forgery.verify_with(&[], |e| e.nonce = nonce).unwrap_err();
        assert!(matches!(error, TokenInvalid::Nonce), "{error}");
    }
    forgery.verify_with(&[], |e| e.nonce = ExpectedNonce::Any).unwrap();
}

#[test]
fn the_signed_attributes() {
    refused!(
        |f: &mut Forgery| f.change_attributes = |mut attributes| {
            attributes.reverse();
            attributes
        },
        TokenInvalid::NotSorted { part: TokenPart::SignedAttributes }
    );
    refused!(|f: &mut Forgery| f.attributes.push(content_type_attribute()), TokenInvalid::AttributeNotSingle);
    refused!(
        |f: &mut Forgery| {
            let values = element(tag::SET, &[&hex!("0500"), &hex!("0500")]);
            f.attributes.push(sequence(&[&hex!("0602 2a03"), &values]));
        },
        TokenInvalid::AttributeNotSingle
    );
    refused!(
        |f: &mut Forgery| f.attributes.retain(|attribute| *attribute != content_type_attribute()),
        TokenInvalid::AttributeMissing { attribute: SignedAttribute::ContentType }
    );
    refused!(
        |f: &mut Forgery| f.attributes.truncate(1),
        TokenInvalid::AttributeMissing { attribute: SignedAttribute::SigningCertificate }
    );
    refused!(
        |f: &mut Forgery| f.attributes[0] = attribute(&hex!("2a864886f70d010903"), &hex!("0603 2a0304")),
        TokenInvalid::ContentTypeAttribute
    );
    // Another time than the one that was signed.
    refused!(
        |f: &mut Forgery| f.change_tst_info = |tst_info| {
            let at = tst_info.windows(8).position(|window| window == b"20260203").unwrap();
            let mut changed = tst_info;
            changed[at + 3] = b'5';
            changed
        },
        TokenInvalid::MessageDigest
    );
    // RFC 6211: the algorithms named under the signature are SHA-384's.
    let other = sequence(&[&hex!("300b 0609 608648016503040202"), &hex!("a10a 0608 2a8648ce3d040302")]);
    refused!(
        move |f: &mut Forgery| f.attributes.push(attribute(&hex!("2a864886f70d010934"), &other)),
        TokenInvalid::AlgorithmProtection
    );
    let own = sequence(&[&SHA256, &hex!("a10a 0608 2a8648ce3d040302")]);
    let mut protected = Forgery::new();
    protected.attributes.push(attribute(&hex!("2a864886f70d010934"), &own));
    protected.verify().unwrap();
}

#[test]
fn the_signing_certificate_attribute() {
    let version_2 = |value: Vec<u8>| attribute(&hex!("2a864886f70d010910022f"), &value);
    let put = |value: Vec<u8>| move |f: &mut Forgery| f.attributes[1] = version_2(value);
    // CVE-2025-69420: the value is of another type than the attribute's.
    refused!(put(hex!("0500").to_vec()), malformed!(SigningCertificate, Reason::UnexpectedTag { .. }));
    refused!(put(hex!("3002 3000").to_vec()), malformed!(SigningCertificate, Reason::EmptyList));
    refused!(
        put(hex!("3004 3002 0500").to_vec()),
        malformed!(SigningCertificate, Reason::UnexpectedTag { .. })
    );
    let of = |algorithm: &[u8], hash: &[u8], rest: &[u8]| {
        sequence(&[&sequence(&[&sequence(&[algorithm, &element(tag::OCTET_STRING, &[hash]), rest])])])
    };
    refused!(
        |f: &mut Forgery| {
            let hash = HashAlgorithm::Sha256.digest(&f.certificates[0]);
            f.attributes[1] = version_2(of(&SHA256, hash.as_ref(), &[]));
        },
        malformed!(SigningCertificate, Reason::EncodedDefault)
    );
    refused!(put(of(&[], &[0; 32], &[])), TokenInvalid::SigningCertificateHash);
    refused!(put(of(&[], &[], &[])), TokenInvalid::SigningCertificateHash);
    refused!(
        put(of(&hex!("3007 0605 2b0e03021a"), &[0; 20], &[])),
        TokenInvalid::HashNotAccepted { part: TokenPart::SigningCertificate }
    );
    refused!(
        |f: &mut Forgery| {
            let hash = HashAlgorithm::Sha256.digest(&f.certificates[0]);
            let names = sequence(&[&element(tag::CONTEXT_4, &[&issuer_of(&f.certificates[0])])]);
            let issuer_serial = sequence(&[&names, &hex!("020109")]);
            f.attributes[1] = version_2(of(&[], hash.as_ref(), &issuer_serial));
        },
        TokenInvalid::SigningCertificateIssuerSerial
    );
    // Version 1 beside a good version 2 must fit as well.
    refused!(
        |f: &mut Forgery| {
            let value = of(&[], &[0; 20], &[]);
            f.attributes.push(attribute(&hex!("2a864886f70d010910020c"), &value));
        },
        TokenInvalid::SigningCertificateHash
    );
}

/// CVE-2025-52556, CVE-2026-33753, CVE-2026-39984: which certificate of the bag is taken.
#[test]
fn other_certificates_in_the_bag() {
    // A stranger's certificate in front changes nothing.
    let mut forgery = Forgery::new();
    let stranger = tsu_certificate(&new_root(), &KeyPair::generate().unwrap(), |params| {
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&[1]));
    });
    forgery.certificates.insert(0, stranger);
    assert_eq!(forgery.verify().unwrap().certificate.der().as_ref(), forgery.certificates[1]);

    // One with the signer's issuer and serial number, beside the true one, before it or after it.
    for place in [0, 1] {
        refused!(
            |f: &mut Forgery| {
                let twin = tsu_certificate(&new_root(), &KeyPair::generate().unwrap(), |_| {});
                f.certificates.insert(place, twin);
            },
            TokenInvalid::SignerCertificateAmbiguous { found: 2 }
        );
    }
    // In place of the true one: the signed hash is another's.
    refused!(
        |f: &mut Forgery| f.certificates = vec![tsu_certificate(&f.root, &f.key, |_| {})],
        TokenInvalid::SigningCertificateHash
    );
    // An attacker's own token in the TSU's name: a chain to nowhere.
    let attacker = Forgery::new();
    let honest = Forgery::new();
    let error = attacker.verify_with(&[], |e| e.anchors = &honest.anchors).unwrap_err();
    assert!(matches!(error, TokenInvalid::Chain { .. }), "{error}");
    // The attacker's signature under the TSU's certificate.
    refused!(|f: &mut Forgery| f.key = KeyPair::generate().unwrap(), TokenInvalid::Signature { .. });

    let mut without = Forgery::new();
    let given = [CertificateDer::from(without.certificates.remove(0))];
    let error = without.verify().unwrap_err();
    assert!(matches!(error, TokenInvalid::SignerCertificateMissing), "{error}");
    without.verify_with(&given, |_| {}).unwrap();
}

#[test]
fn the_certificate() {
    let refused =
        |change: fn(&mut rcgen::CertificateParams)| Forgery::with_certificate(change).verify().unwrap_err();
    let error = refused(|params| params.custom_extensions.clear());
    assert!(
        matches!(error, TokenInvalid::Certificate { source: TsuCertificateInvalid::NoExtendedKeyUsage }),
        "{error:?}"
    );
    let error = refused(|params| params.custom_extensions = vec![extended_key_usage(false)]);
    assert!(
        matches!(
            error,
            TokenInvalid::Certificate { source: TsuCertificateInvalid::ExtendedKeyUsageNotCritical }
        ),
        "{error:?}"
    );
    let error = refused(|params| params.not_after = date_time_ymd(2026, 2, 3));
    assert!(matches!(error, TokenInvalid::OutsideValidity { .. }), "{error:?}");
    let error = refused(|params| params.not_before = date_time_ymd(2026, 2, 4));
    assert!(matches!(error, TokenInvalid::OutsideValidity { .. }), "{error:?}");
    // A key that may sign from 2022 to 2024.
    let error = refused(|params| {
        let period = hex!("3022 800f 32303232303130313030303030305a 810f 32303234303130313030303030305a");
        params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 16], period.to_vec()));
    });
    assert!(matches!(error, TokenInvalid::OutsidePrivateKeyUsagePeriod { .. }), "{error:?}");
}

#[test]
fn the_names_of_the_certificate_are_tsa_names() {
    let mut forgery = Forgery::with_certificate(|params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("tsa.example".try_into().unwrap())];
    });
    forgery.tst_info[place::TSA] = hex!("a00d 820b 7473612e6578616d706c65").to_vec();
    assert!(forgery.verify().unwrap().names_tsa);
}

#[test]
fn expiry_and_revocation() {
    let forgery = Forgery::new();
    let later = attestamp_certs::UnixTime::since_unix_epoch(std::time::Duration::from_secs(2_000_000_000));
    let error = forgery.verify_with(&[], |e| e.at = Some(later)).unwrap_err();
    assert!(matches!(error, TokenInvalid::Chain { source: ChainError::Expired { .. }, .. }), "{error:?}");

    let list = rcgen::CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2027, 1, 1),
        crl_number: rcgen::SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![rcgen::RevokedCertParams {
            serial_number: rcgen::SerialNumber::from_slice(&super::forgery::SERIAL),
            revocation_time: date_time_ymd(2026, 6, 1),
            reason_code: Some(rcgen::RevocationReason::KeyCompromise),
            invalidity_date: None,
        }],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    let lists = [RevocationList::parse(list.signed_by(&forgery.root).unwrap().der()).unwrap()];
    let error = forgery.verify_with(&[], |e| e.crls = &lists).unwrap_err();
    assert!(matches!(error, TokenInvalid::Chain { source: ChainError::Revoked { .. }, .. }), "{error:?}");
}

fn octets(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// What binds the signature to a certificate is judged without a root as with one.
#[test]
fn a_signature_alone_is_refused_as_a_whole_token_is() {
    let signature_of = |forgery: &Forgery| {
        let token = forgery.token();
        crate::verify::UnverifiedToken::parse(&token).unwrap().verify_signature(&[]).map(|_| ())
    };
    assert!(signature_of(&Forgery::new()).is_ok());
    let mut changed = Forgery::new();
    changed.key = KeyPair::generate().unwrap();
    assert!(matches!(signature_of(&changed), Err(TokenInvalid::Signature { .. })));
    let mut changed = Forgery::new();
    changed.change_tst_info = |mut tst_info| {
        let last = tst_info.len() - 1;
        tst_info[last] ^= 1;
        tst_info
    };
    assert!(matches!(signature_of(&changed), Err(TokenInvalid::MessageDigest)));
    let mut changed = Forgery::new();
    changed.tst_info[place::GEN_TIME] = gen_time("20310203040506Z");
    assert!(matches!(signature_of(&changed), Err(TokenInvalid::OutsideValidity { .. })));
    // The same issuer and serial number, another certificate: the signed hash decides.
    let mut changed = Forgery::new();
    changed.certificates = vec![tsu_certificate(&changed.root, &changed.key, |params| {
        params.not_after = date_time_ymd(2031, 1, 1);
    })];
    assert!(matches!(signature_of(&changed), Err(TokenInvalid::SigningCertificateHash)));
}
