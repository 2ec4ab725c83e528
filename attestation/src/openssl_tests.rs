//! Tests against the `openssl` command line: what an auditor does with openssl alone works on what is built here, and
//! what an organisation's CA made with openssl is read.
//!
//! The classical chain: OpenSSL 3.0, which every system has, does not know ML-DSA.

use std::path::Path;
use std::process::Command;

use attestamp_certs::pem::{PemLabel, certificates_from_pem, to_pem};
use tempfile::TempDir;

use crate::certificate::{BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE};
use crate::test_chain::{
    Forgery, NOW, TestChain, TestKey, YEAR, claims, finish, full_claims, platform, serial, subject,
};
use crate::unsigned::extensions;
use crate::{
    AttestationKeyParameters, AttestationParameters, Certificate, DeviceCsrParameters, UnsignedCertificate,
    UnsignedCsr, oid, verify,
};

/// What OpenSSL said, and whether it exited with 0.
struct Verdict {
    success: bool,
    text: String,
}

fn openssl(folder: &Path, arguments: &str) -> Verdict {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("the openssl command line is needed");
    let text =
        [output.stdout, output.stderr].map(|part| String::from_utf8_lossy(&part).into_owned()).concat();
    Verdict { success: output.status.success(), text }
}

#[track_caller]
fn must(folder: &Path, arguments: &str) -> String {
    let verdict = openssl(folder, arguments);
    assert!(verdict.success, "openssl {arguments}: {}", verdict.text);
    verdict.text
}

fn write(folder: &Path, name: &str, certificates: &[&[u8]]) {
    let pem: String = certificates.iter().map(|der| to_pem(PemLabel::Certificate, der)).collect();
    std::fs::write(folder.join(name), pem).unwrap();
}

/// `device_root.pem`, `chain.pem` and `key_attestation.pem`, as an auditor has them.
fn write_chain(chain: &TestChain, attestation: &[u8]) -> TempDir {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "device_root.pem", &[chain.root.der()]);
    write(folder.path(), "chain.pem", &[chain.attester.der(), chain.device.der()]);
    write(folder.path(), "key_attestation.pem", &[attestation]);
    folder
}

const VERIFY: &str = "verify -x509_strict -CAfile device_root.pem -untrusted chain.pem -attime";

#[test]
fn d1_d3_the_auditors_command_accepts_an_attestation() {
    let chain = TestChain::classical();
    for claims in [claims(), full_claims()] {
        let folder = write_chain(&chain, chain.attest(&claims).der());
        must(folder.path(), &format!("{VERIFY} {NOW} -check_ss_sig key_attestation.pem"));
        for wrong in [NOW - 1, NOW + YEAR + 1] {
            assert!(!openssl(folder.path(), &format!("{VERIFY} {wrong} key_attestation.pem")).success);
        }
    }
}

#[test]
fn d1_critical_claims_would_fail() {
    let chain = TestChain::classical();
    let critical = extensions::extension(&oid::KEY_ATTESTATION, true, &claims().to_der());
    let forged = Forgery::of(&chain.attest(&claims())).with(critical).sign_der(&chain.attestation_key);
    let folder = write_chain(&chain, &forged);
    let verdict = openssl(folder.path(), &format!("{VERIFY} {NOW} key_attestation.pem"));
    assert!(!verdict.success && verdict.text.contains("unhandled critical extension"), "{}", verdict.text);
}

#[test]
fn d2_an_attestation_passes_for_no_other_purpose_and_for_time_stamping_least() {
    let chain = TestChain::classical();
    let folder = write_chain(&chain, chain.attest(&claims()).der());
    for purpose in ["timestampsign", "sslserver", "sslclient", "smimesign", "smimeencrypt", "crlsign"] {
        let arguments = format!("{VERIFY} {NOW} -purpose {purpose} key_attestation.pem");
        let verdict = openssl(folder.path(), &arguments);
        assert!(!verdict.success, "{purpose}: {}", verdict.text);
    }
    // It is the extKeyUsage that does it: with that of a TSU the same certificate passes.
    let time_stamping = extensions::only_for(&hex_literal::hex!("2b06010505070308"));
    let tsu = Forgery::of(&chain.attest(&claims())).with(time_stamping).sign(&chain.attestation_key);
    let folder = write_chain(&chain, tsu.der());
    must(folder.path(), &format!("{VERIFY} {NOW} -purpose timestampsign key_attestation.pem"));
    let without = Forgery::of(&chain.attest(&claims())).without(&EXTENDED_KEY_USAGE);
    let folder = write_chain(&chain, without.sign(&chain.attestation_key).der());
    must(folder.path(), &format!("{VERIFY} {NOW} -purpose smimesign key_attestation.pem"));
}

#[test]
fn d3_openssl_refuses_an_attestation_key_that_is_no_ca() {
    let chain = TestChain::classical();
    let no_ca = Forgery::of(&chain.attester).without(&BASIC_CONSTRAINTS).sign(&chain.device_key);
    let folder = write_chain(&chain, chain.attest(&claims()).der());
    write(folder.path(), "chain.pem", &[no_ca.der(), chain.device.der()]);
    assert!(!openssl(folder.path(), &format!("{VERIFY} {NOW} key_attestation.pem")).success);
}

#[test]
fn the_public_key_and_the_claims_are_readable_with_openssl() {
    let chain = TestChain::classical();
    let attestation = chain.attest(&full_claims());
    let folder = write_chain(&chain, attestation.der());
    let key = must(folder.path(), "x509 -in key_attestation.pem -noout -pubkey");
    std::fs::write(folder.path().join("key.pem"), key).unwrap();
    must(folder.path(), "pkey -pubin -in key.pem -outform DER -out key.der");
    assert_eq!(std::fs::read(folder.path().join("key.der")).unwrap(), chain.attested_key.spki_der);

    let text = must(folder.path(), "x509 -in key_attestation.pem -noout -text");
    let arc = "2.25.195043139723147967458054985970204369001";
    for expected in [
        "Version: 3 (0x2)",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        &format!("X509v3 Extended Key Usage: critical\n                {arc}.2\n"),
        &format!("            {arc}.1: \n"),
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    let device = TempDir::new().unwrap();
    write(device.path(), "device.pem", &[chain.device.der()]);
    let text = must(device.path(), "x509 -in device.pem -noout -text");
    for expected in [
        "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:1\n",
        "X509v3 Key Usage: critical\n                Certificate Sign\n",
        &format!("            {arc}.3: \n"),
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    std::fs::write(folder.path().join("claims.der"), attestation.claims_der().unwrap()).unwrap();
    let text = must(folder.path(), "asn1parse -inform DER -i -in claims.der");
    for expected in [
        "UTF8STRING        :CKK_EC",
        "UTF8STRING        :timestamping",
        "GENERALIZEDTIME   :20260101000000Z",
        "INTEGER           :0162",
        &format!("OBJECT            :{arc}.4.1"),
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
}

/// An organisation's own root, made with openssl: of any kind of key, with the usual extensions.
fn organisation_root(
    folder: &Path,
    key: &str,
    digest: &str,
) -> Result<Certificate, crate::CertificateInvalid> {
    must(folder, &format!("genpkey {key} -out organisation.key"));
    std::fs::write(
        folder.join("organisation.cnf"),
        "[req]\nprompt=no\ndistinguished_name=dn\nx509_extensions=ca\n[dn]\nC=FI\nO=Example Oy\nCN=Example Root\n\
         [ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
         subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid,issuer\n\
         [device]\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid,issuer\n",
    )
    .unwrap();
    let request =
        "req -x509 -new -config organisation.cnf -key organisation.key -days 3650 -out device_root.pem";
    must(folder, &format!("{request} {digest}"));
    Certificate::parse(&read(folder, "device_root.pem"))
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    let pem = std::fs::read_to_string(folder.join(name)).unwrap();
    certificates_from_pem(&pem).unwrap()[0].to_vec()
}

/// The device certificate that the organisation's root issues on a request of ours.
fn organisation_device(folder: &Path, digest: &str, device_key: &TestKey) -> Certificate {
    let unsigned = UnsignedCsr::device(DeviceCsrParameters {
        subject: &subject("Device"),
        spki_der: &device_key.spki_der,
        signature_algorithm: device_key.algorithm,
        platform: &platform(),
    })
    .unwrap();
    let signature = device_key.sign(unsigned.to_be_signed());
    let request = to_pem(PemLabel::CertificateRequest, &unsigned.attach(&signature).unwrap());
    std::fs::write(folder.join("device.csr"), request).unwrap();
    let text = must(folder, "req -in device.csr -verify -noout -text");
    for expected in ["verify OK", "CA:TRUE, pathlen:1", "Certificate Sign"] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    let issue = "x509 -req -in device.csr -copy_extensions copy -CA device_root.pem -CAkey organisation.key -days 3000 \
                 -extfile organisation.cnf -extensions device -out device.pem";
    // Without the digest openssl takes SHA-256, which no row of the table of algorithms pairs with P-384.
    must(folder, &format!("{issue} {digest}"));
    Certificate::parse(&read(folder, "device.pem")).unwrap()
}

#[test]
fn an_organisations_own_root_signs_the_device() {
    for (key, digest) in [
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-sha256"),
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:3072", "-sha512"),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "-sha256"),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "-sha384"),
        ("-algorithm ED25519", ""),
    ] {
        let folder = TempDir::new().unwrap();
        let root = organisation_root(folder.path(), key, digest).unwrap();
        let keys = TestChain::classical();
        let device = organisation_device(folder.path(), digest, &keys.device_key);
        assert_eq!(device.platform(), Some(&platform()));
        let unsigned = UnsignedCertificate::attestation_key(AttestationKeyParameters {
            issuer: &device,
            signature_algorithm: keys.device_key.algorithm,
            subject: &subject("Attestation key"),
            spki_der: &keys.attestation_key.spki_der,
            serial: &serial(3),
            validity: device.validity(),
        });
        let attester = finish(unsigned.unwrap(), &keys.device_key);
        let mut claims = claims();
        claims.attested_at = device.validity().not_before();
        let unsigned = UnsignedCertificate::attestation(AttestationParameters {
            issuer: &attester,
            validity: device.validity(),
            ..keys.parameters(&claims)
        });
        let attestation = finish(unsigned.unwrap(), &keys.attestation_key);
        let at = claims.attested_at;
        let verified = verify(&attestation, &[attester.clone(), device.clone()], &root, at).unwrap();
        assert_eq!(verified.claims, claims);
        write(folder.path(), "chain.pem", &[attester.der(), device.der()]);
        write(folder.path(), "key_attestation.pem", &[attestation.der()]);
        must(folder.path(), &format!("{VERIFY} {} key_attestation.pem", at.as_secs()));
    }
}

#[test]
fn a_root_that_signs_in_a_way_that_is_not_known_could_not_be_judged() {
    for (key, digest) in [
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-521", "-sha512"),
        ("-algorithm ED448", ""),
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-sha256 -sigopt rsa_padding_mode:pss"),
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-sha1"),
    ] {
        let folder = TempDir::new().unwrap();
        let refused = organisation_root(folder.path(), key, digest).unwrap_err();
        assert!(refused.is_unjudgeable(), "{key} {digest}: {refused:?}");
    }
}
