//! Tokens with one thing wrong, made with a CA and a TSU of the test's own.
//!
//! The keys, certificates and signatures are OpenSSL's, the octets around them [`crate::der`]'s. [`Forgery::none`] makes a
//! token with which nothing is wrong: a test shows that it is accepted before it shows that others are refused.

pub mod certificate;

use std::path::PathBuf;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::data_folder::DataFolder;
use crate::der::{self, tlv};
use crate::modern_openssl;
use crate::request::{self, Request};
use crate::signer_info::{SignerInfo, granting};
use crate::stamped::{DATA, Parts, Stamped};

use certificate::{Certificate, CertificateFault};

/// 2.16.840.1.101.3.4.3: the signature algorithms of NIST.
pub const NIST_SIGNATURES: &str = "2.16.840.1.101.3.4.3";

const CONFIGURATION: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = Unused
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[tsu]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
";

/// A digest for the content and its attribute messageDigest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256
    Sha256,
    /// SHA-384
    Sha384,
    /// SHA-512
    Sha512,
}

impl Hash {
    fn oid(self) -> Result<Vec<u8>> {
        der::oid(match self {
            Self::Sha256 => "2.16.840.1.101.3.4.2.1",
            Self::Sha384 => "2.16.840.1.101.3.4.2.2",
            Self::Sha512 => "2.16.840.1.101.3.4.2.3",
        })
    }

    fn of(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha384 => Sha384::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }
}

/// What goes over the signed attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// Pure mode, empty context: the right one.
    Pure,
    /// Pure mode with this context.
    Context(&'static str),
    /// Pre-hash mode with SHA-512 (FIPS 204 §5.4, FIPS 205 §10.2.2), empty context.
    PreHashSha512,
    /// The right one, with one bit of it changed.
    Tampered,
}

/// A token to make.
#[derive(Debug, Clone)]
pub struct Forgery {
    /// Digest of the content.
    pub digest: Hash,
    /// Parameters of the signature algorithm in the SignerInfo, encoded; nothing where they are absent.
    pub signature_parameters: Vec<u8>,
    /// Last arc of the signature algorithm under [`NIST_SIGNATURES`].
    pub signature_arc: u8,
    /// How it is signed.
    pub signing: Signing,
    /// What is signed: the attributes' DER as a SET OF, or as the [0] that the SignerInfo holds.
    pub signed_tag: u8,
}

impl Forgery {
    /// Nothing is wrong: SHA-512, absent parameters, pure mode over the SET OF.
    #[must_use]
    pub fn none(signature_arc: u8) -> Self {
        Self {
            digest: Hash::Sha512,
            signature_parameters: Vec::new(),
            signature_arc,
            signing: Signing::Pure,
            signed_tag: der::SET,
        }
    }
}

/// A root and a TSU under it, both with keys of one algorithm.
#[derive(Debug)]
pub struct Forger {
    folder: PathBuf,
    /// OpenSSL's name of the algorithm, and the beginning of the files' names.
    algorithm: String,
    /// File name of the TSU's certificate without its ending.
    certificate_file: String,
    certificate: Vec<u8>,
}

impl Forger {
    /// Makes keys and certificates by OpenSSL's name of an algorithm, as `ML-DSA-65`, in the test's folder.
    ///
    /// # Errors
    /// When openssl fails.
    pub fn create(folder: &DataFolder, algorithm: &str) -> Result<Self> {
        folder.write("forger.cnf", CONFIGURATION)?;
        let work = folder.work();
        let file = |ending: &str| format!("{algorithm}.{ending}");
        let openssl = |arguments: &[&str]| modern_openssl::run(&work, arguments)?.succeeded().map(|_| ());
        for key in ["root.key", "key"] {
            openssl(&["genpkey", "-algorithm", algorithm, "-out", &file(key)])?;
        }
        #[rustfmt::skip]
        openssl(&[
            "req", "-x509", "-config", "forger.cnf", "-extensions", "root", "-days", "30",
            "-subj", &format!("/O=Forger/CN=Root {algorithm}"), "-key", &file("root.key"), "-out", &file("root.pem"),
        ])?;
        #[rustfmt::skip]
        openssl(&[
            "req", "-new", "-config", "forger.cnf", "-subj", &format!("/O=Forger/CN=TSU {algorithm}"),
            "-key", &file("key"), "-out", &file("csr"),
        ])?;
        #[rustfmt::skip]
        openssl(&[
            "x509", "-req", "-in", &file("csr"), "-CA", &file("root.pem"), "-CAkey", &file("root.key"),
            "-extfile", "forger.cnf", "-extensions", "tsu", "-days", "20", "-out", &file("pem"),
        ])?;
        openssl(&["x509", "-in", &file("pem"), "-outform", "DER", "-out", &file("der")])?;
        let certificate = std::fs::read(work.join(file("der")))?;
        Ok(Self {
            folder: work,
            algorithm: algorithm.to_owned(),
            certificate_file: algorithm.to_owned(),
            certificate,
        })
    }

    /// The same TSU with a certificate in which one thing is wrong, signed by the same root.
    ///
    /// # Errors
    /// When openssl does not sign.
    pub fn with_certificate(&self, fault: CertificateFault) -> Result<Self> {
        let root_key = format!("{}.root.key", self.algorithm);
        let certificate = Certificate::read(&self.certificate)?
            .with_fault(fault, |data| self.sign_with(&root_key, data, Signing::Pure))?;
        let certificate_file = format!("{}-{fault:?}", self.algorithm);
        let (der, pem) = (format!("{certificate_file}.der"), format!("{certificate_file}.pem"));
        std::fs::write(self.folder.join(&der), &certificate)?;
        modern_openssl::run(&self.folder, &["x509", "-inform", "DER", "-in", &der, "-out", &pem])?
            .succeeded()?;
        Ok(Self {
            folder: self.folder.clone(),
            algorithm: self.algorithm.clone(),
            certificate_file,
            certificate,
        })
    }

    /// The timestamp, under this name, in files for the verifiers.
    ///
    /// # Errors
    /// When openssl does not sign.
    pub fn make(&self, name: &str, forgery: &Forgery) -> Result<Stamped> {
        let request = Request { cert_req: request::cert_req(), ..Request::of(DATA)? };
        let token = self.token(&request, forgery)?;
        let read = |file: String| std::fs::read(self.folder.join(file));
        let parts = Parts {
            request: request.encoded(),
            reply: granting(&token),
            certificate: read(format!("{}.pem", self.certificate_file))?,
            root: read(format!("{}.root.pem", self.algorithm))?,
        };
        Stamped::of_parts(&self.folder, name, &parts)
    }

    fn token(&self, request: &Request, forgery: &Forgery) -> Result<Vec<u8>> {
        let certificate = Certificate::read(&self.certificate)?;
        let tst_info = tst_info(request, &certificate)?;
        let digest_algorithm = tlv(der::SEQUENCE, &[&forgery.digest.oid()?]);
        let signed_attributes = signed_attributes(forgery.digest, &tst_info, &certificate)?;
        let mut to_sign = signed_attributes.clone();
        if let Some(tag) = to_sign.first_mut() {
            *tag = forgery.signed_tag;
        }
        let signature_oid = der::oid(&format!("{NIST_SIGNATURES}.{}", forgery.signature_arc))?;
        let signer_info = SignerInfo {
            head: [request::integer(&[1]), tlv(der::SEQUENCE, &[certificate.issuer, certificate.serial])]
                .concat(),
            digest_algorithm: digest_algorithm.clone(),
            signed_attributes,
            signature_algorithm: tlv(der::SEQUENCE, &[&signature_oid, &forgery.signature_parameters]),
            signature: self.sign_with(&format!("{}.key", self.algorithm), &to_sign, forgery.signing)?,
            unsigned_attributes: Vec::new(),
        };
        let content = tlv(der::CONTEXT_0, &[&tlv(der::OCTET_STRING, &[&tst_info])]);
        #[rustfmt::skip]
        let signed_data = tlv(der::SEQUENCE, &[
            &request::integer(&[3]),
            &tlv(der::SET, &[&digest_algorithm]),
            &tlv(der::SEQUENCE, &[&der::oid("1.2.840.113549.1.9.16.1.4")?, &content]),
            &tlv(der::CONTEXT_0, &[&self.certificate]),
            &tlv(der::SET, &[&signer_info.encoded()?]),
        ]);
        let signed_data = tlv(der::CONTEXT_0, &[&signed_data]);
        Ok(tlv(der::SEQUENCE, &[&der::oid("1.2.840.113549.1.7.2")?, &signed_data]))
    }

    fn sign_with(&self, key: &str, data: &[u8], signing: Signing) -> Result<Vec<u8>> {
        let (input, option) = match signing {
            Signing::Pure | Signing::Tampered => (data.to_vec(), None),
            Signing::Context(context) => (data.to_vec(), Some(format!("context-string:{context}"))),
            // M' of FIPS 204 §5.4.1 as it is: domain 1, an empty context, the digest's OID and the digest.
            Signing::PreHashSha512 => {
                let encoded = [&[1, 0][..], &Hash::Sha512.oid()?, &Hash::Sha512.of(data)].concat();
                (encoded, Some("message-encoding:0".to_owned()))
            }
        };
        std::fs::write(self.folder.join("to-sign"), input)?;
        let option = option.iter().flat_map(|option| ["-pkeyopt", option]).collect::<Vec<_>>();
        let sign = ["pkeyutl", "-sign", "-inkey", key, "-in", "to-sign", "-out", "signed"];
        modern_openssl::run(&self.folder, &[&sign[..], &option].concat())?.succeeded()?;
        // Whoever knows of the context or the mode finds it right.
        let verify = ["pkeyutl", "-verify", "-inkey", key, "-in", "to-sign", "-sigfile", "signed"];
        modern_openssl::run(&self.folder, &[&verify[..], &option].concat())?.succeeded()?;
        let mut signature = std::fs::read(self.folder.join("signed"))?;
        if signing == Signing::Tampered {
            let middle = signature.len() / 2;
            *signature.get_mut(middle).context("an empty signature")? ^= 0x10;
        }
        Ok(signature)
    }
}

/// The TSTInfo that answers a request, of the first second of the certificate's validity.
fn tst_info(request: &Request, certificate: &Certificate<'_>) -> Result<Vec<u8>> {
    Ok(tlv(
        der::SEQUENCE,
        &[
            &request::integer(&[1]),
            &der::oid("1.2.3.4.1")?,
            &request.message_imprint,
            &request::integer(&[0x10, 0x01]),
            &tlv(der::GENERALIZED_TIME, &[b"20", certificate.not_before]),
            &request.nonce,
        ],
    ))
}

/// contentType, messageDigest and signingCertificateV2, as a SET OF in its order.
fn signed_attributes(digest: Hash, tst_info: &[u8], signer: &Certificate<'_>) -> Result<Vec<u8>> {
    let attribute = |oid: &str, value: &[u8]| -> Result<Vec<u8>> {
        Ok(tlv(der::SEQUENCE, &[&der::oid(oid)?, &tlv(der::SET, &[value])]))
    };
    // ESSCertIDv2 of RFC 5035 §4: SHA-256 is the default and left out; GeneralNames with a directoryName, serial.
    let names = tlv(der::SEQUENCE, &[&tlv(0xA4, &[signer.issuer])]);
    let issuer_serial = tlv(der::SEQUENCE, &[&names, signer.serial]);
    let hash = tlv(der::OCTET_STRING, &[&Sha256::digest(signer.encoded)]);
    let ess_cert_id = tlv(der::SEQUENCE, &[&hash, &issuer_serial]);
    let signing_certificate = tlv(der::SEQUENCE, &[&tlv(der::SEQUENCE, &[&ess_cert_id])]);
    let mut attributes = [
        attribute("1.2.840.113549.1.9.3", &der::oid("1.2.840.113549.1.9.16.1.4")?)?,
        attribute("1.2.840.113549.1.9.4", &tlv(der::OCTET_STRING, &[&digest.of(tst_info)]))?,
        attribute("1.2.840.113549.1.9.16.2.47", &signing_certificate)?,
    ];
    attributes.sort();
    Ok(tlv(der::SET, &[&attributes.concat()]))
}
