//! Any certificate at all, well signed: to show that the verifier refuses what the production code would never build.

use attestamp_certs::Validity;

use super::{TestKey, serial, subject, years};
use crate::certificate::{Certificate, CertificateInvalid};
use crate::unsigned::{Body, signed};

/// What a forged certificate says. Change the fields, then [`Forgery::sign`].
pub(crate) struct Forgery {
    pub(crate) issuer_der: Vec<u8>,
    pub(crate) subject_der: Vec<u8>,
    pub(crate) spki_der: Vec<u8>,
    pub(crate) validity: Validity,
    /// Whole extensions.
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl Forgery {
    /// A certificate that `issuer` issues, without extensions.
    pub(crate) fn below(issuer: &Certificate, common_name: &str, key: &TestKey) -> Self {
        Self {
            issuer_der: issuer.subject_der().to_vec(),
            subject_der: subject(common_name).der().to_vec(),
            spki_der: key.spki_der.clone(),
            validity: years(1),
            extensions: Vec::new(),
        }
    }

    /// What `certificate` says, to change it.
    pub(crate) fn of(certificate: &Certificate) -> Self {
        Self {
            issuer_der: certificate.issuer_der().to_vec(),
            subject_der: certificate.subject_der().to_vec(),
            spki_der: certificate.spki_der().to_vec(),
            validity: certificate.validity(),
            extensions: extensions_of(certificate),
        }
    }

    /// Puts `extension` in the place of that with its object identifier, or after the others.
    pub(crate) fn with(mut self, extension: Vec<u8>) -> Self {
        let identifier = identifier_of(&extension);
        match self.extensions.iter().position(|other| identifier_of(other) == identifier) {
            Some(place) => self.extensions[place] = extension,
            None => self.extensions.push(extension),
        }
        self
    }

    /// Leaves out the extension with this object identifier.
    pub(crate) fn without(mut self, identifier: &[u8]) -> Self {
        self.extensions.retain(|extension| identifier_of(extension) != identifier);
        self
    }

    /// The certificate, signed with `issuer_key`.
    pub(crate) fn sign(&self, issuer_key: &TestKey) -> Certificate {
        self.try_sign(issuer_key).unwrap()
    }

    pub(crate) fn try_sign(&self, issuer_key: &TestKey) -> Result<Certificate, CertificateInvalid> {
        Certificate::parse(&self.sign_der(issuer_key))
    }

    /// The certificate's octets, whether they read or not.
    pub(crate) fn sign_der(&self, issuer_key: &TestKey) -> Vec<u8> {
        let body = Body {
            issuer_der: &self.issuer_der,
            subject_der: &self.subject_der,
            spki_der: &self.spki_der,
            signature_algorithm: issuer_key.algorithm,
            serial: &serial(9),
            validity: self.validity,
            extensions: &self.extensions,
        };
        let to_be_signed = body.encode();
        signed(&to_be_signed, issuer_key.algorithm, &issuer_key.sign(&to_be_signed)).unwrap()
    }
}

/// The whole extensions of a certificate, in its order.
fn extensions_of(certificate: &Certificate) -> Vec<Vec<u8>> {
    use attestamp_strict_der::{Reader, tag};

    let mut fields = Reader::new(certificate.to_be_signed()).required(tag::SEQUENCE).unwrap().reader();
    let mut last = fields.any().unwrap();
    while !fields.is_empty() {
        last = fields.any().unwrap();
    }
    let mut list = last.reader().required(tag::SEQUENCE).unwrap().reader();
    let mut extensions = Vec::new();
    while !list.is_empty() {
        extensions.push(list.any().unwrap().der.to_vec());
    }
    extensions
}

fn identifier_of(extension: &[u8]) -> Vec<u8> {
    use attestamp_strict_der::{Reader, tag};

    let mut fields = Reader::new(extension).required(tag::SEQUENCE).unwrap().reader();
    fields.required(tag::OBJECT_IDENTIFIER).unwrap().content.to_vec()
}
