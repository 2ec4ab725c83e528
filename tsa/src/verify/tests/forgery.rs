//! Tokens made piece by piece, so that one piece can be wrong and the rest, the signature included, right.
//!
//! The genTime of all is 2026-02-03T04:05:06Z, the certificates are valid from 2022 to 2030.

use attestamp_certs::{CertificateDer, HashAlgorithm, SignatureAlgorithm, TrustAnchors};
use hex_literal::hex;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber, SigningKey as _, date_time_ymd,
};

use crate::verify::{
    Expectations, ExpectedImprint, ExpectedNonce, TokenInvalid, VerifiedToken, verify_token,
};
use attestamp_strict_der::{Reader, element, tag};

pub(super) const DATA: &[u8] = b"the data that is stamped\n";
pub(super) const SERIAL: [u8; 3] = [0x5a, 1, 2];
pub(super) const ID_SIGNED_DATA: [u8; 11] = hex!("0609 2a864886f70d010702");
pub(super) const ID_CT_TST_INFO: [u8; 13] = hex!("060b 2a864886f70d0109100104");
pub(super) const SHA256: [u8; 13] = hex!("300b 0609 608648016503040201");
const TIME_STAMPING: [u8; 12] = hex!("300a 0608 2b06010505070308");

pub(super) type Authority = CertifiedIssuer<'static, KeyPair>;

/// Everything that a token is made from; each field is a whole element in DER unless it says otherwise.
pub(super) struct Forgery {
    pub(super) key: KeyPair,
    pub(super) root: Authority,
    /// The root, trusted.
    pub(super) anchors: TrustAnchors,
    /// Certificates of the token, in their order.
    pub(super) certificates: Vec<Vec<u8>>,
    /// The elements of the TSTInfo, in their order.
    pub(super) tst_info: Vec<Vec<u8>>,
    /// After the TSTInfo is digested: what becomes of it.
    pub(super) change_tst_info: fn(Vec<u8>) -> Vec<u8>,
    pub(super) content_type: Vec<u8>,
    pub(super) e_content_type: Vec<u8>,
    pub(super) signed_data_version: Vec<u8>,
    /// The content of the SET.
    pub(super) digest_algorithms: Vec<u8>,
    pub(super) signer_version: Vec<u8>,
    pub(super) signer_identifier: Vec<u8>,
    pub(super) digest_algorithm: Vec<u8>,
    /// The attributes beside messageDigest.
    pub(super) attributes: Vec<Vec<u8>>,
    /// What becomes of all attributes after they are sorted.
    pub(super) change_attributes: fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>,
    pub(super) signature_algorithm: Vec<u8>,
    pub(super) signer_count: usize,
    /// After the signature is made: what becomes of the whole token.
    pub(super) change_token: fn(Vec<u8>) -> Vec<u8>,
}

pub(super) fn sequence(members: &[&[u8]]) -> Vec<u8> {
    element(tag::SEQUENCE, members)
}

pub(super) fn attribute(id: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[&element(tag::OBJECT_IDENTIFIER, &[id]), &element(tag::SET, &[value])])
}

pub(super) fn extended_key_usage(critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 37], TIME_STAMPING.to_vec());
    extension.set_criticality(critical);
    extension
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2022, 1, 1);
    params.not_after = date_time_ymd(2030, 1, 1);
    params
}

pub(super) fn new_root() -> Authority {
    let mut params = params("Test root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(super) fn tsu_certificate(
    issuer: &Issuer<'_, KeyPair>,
    key: &KeyPair,
    change: impl FnOnce(&mut CertificateParams),
) -> Vec<u8> {
    let mut params = params("Test TSU");
    params.serial_number = Some(SerialNumber::from_slice(&SERIAL));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.custom_extensions = vec![extended_key_usage(true)];
    change(&mut params);
    params.signed_by(key, issuer).unwrap().der().to_vec()
}

/// `Name` of the issuer of a certificate, in DER.
pub(super) fn issuer_of(certificate: &[u8]) -> Vec<u8> {
    let mut tbs = Reader::new(certificate).any().unwrap().reader().any().unwrap().reader();
    tbs.any().unwrap();
    tbs.any().unwrap();
    tbs.any().unwrap();
    tbs.any().unwrap().der.to_vec()
}

/// `SigningCertificateV2` with ESSCertIDv2 over SHA-256.
pub(super) fn signing_certificate_v2(certificate: &[u8]) -> Vec<u8> {
    let hash = HashAlgorithm::Sha256.digest(certificate);
    let identifier = sequence(&[&element(tag::OCTET_STRING, &[hash.as_ref()])]);
    attribute(&hex!("2a864886f70d010910022f"), &sequence(&[&sequence(&[&identifier])]))
}

pub(super) fn content_type_attribute() -> Vec<u8> {
    attribute(&hex!("2a864886f70d010903"), &ID_CT_TST_INFO)
}

impl Forgery {
    /// A token that holds.
    pub(super) fn new() -> Self {
        Self::with_certificate(|_| {})
    }

    /// A token whose signer has a certificate with this change.
    pub(super) fn with_certificate(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (root, key) = (new_root(), KeyPair::generate().unwrap());
        let certificate = tsu_certificate(&root, &key, change);
        let serial = element(tag::INTEGER, &[&SERIAL]);
        Self {
            signer_identifier: sequence(&[&issuer_of(&certificate), &serial]),
            attributes: vec![content_type_attribute(), signing_certificate_v2(&certificate)],
            tst_info: tst_info(),
            certificates: vec![certificate],
            key,
            anchors: TrustAnchors::from_certificates(vec![root.der().clone()]).unwrap(),
            root,
            change_tst_info: |tst_info| tst_info,
            content_type: ID_SIGNED_DATA.to_vec(),
            e_content_type: ID_CT_TST_INFO.to_vec(),
            signed_data_version: hex!("020103").to_vec(),
            digest_algorithms: SHA256.to_vec(),
            signer_version: hex!("020101").to_vec(),
            digest_algorithm: SHA256.to_vec(),
            change_attributes: |attributes| attributes,
            signature_algorithm: SignatureAlgorithm::EcdsaP256Sha256.algorithm_identifier_der().to_vec(),
            signer_count: 1,
            change_token: |token| token,
        }
    }

    /// The token.
    pub(super) fn token(&self) -> Vec<u8> {
        let tst_info = sequence(&slices(&self.tst_info));
        let digest = HashAlgorithm::Sha256.digest(&tst_info);
        let digest = element(tag::OCTET_STRING, &[digest.as_ref()]);
        let mut attributes = self.attributes.clone();
        attributes.push(attribute(&hex!("2a864886f70d010904"), &digest));
        attributes.sort();
        let attributes = (self.change_attributes)(attributes).concat();
        let signature = self.key.sign(&element(tag::SET, &[&attributes])).unwrap();
        let signer_info = sequence(&[
            &self.signer_version,
            &self.signer_identifier,
            &self.digest_algorithm,
            &element(tag::CONTEXT_0, &[&attributes]),
            &self.signature_algorithm,
            &element(tag::OCTET_STRING, &[&signature]),
        ]);
        let content = element(tag::OCTET_STRING, &[&(self.change_tst_info)(tst_info)]);
        let signed_data = sequence(&[
            &self.signed_data_version,
            &element(tag::SET, &[&self.digest_algorithms]),
            &sequence(&[&self.e_content_type, &element(tag::CONTEXT_0, &[&content])]),
            &element(tag::CONTEXT_0, &slices(&self.certificates)),
            &element(tag::SET, &vec![signer_info.as_slice(); self.signer_count]),
        ]);
        let token = sequence(&[&self.content_type, &element(tag::CONTEXT_0, &[&signed_data])]);
        (self.change_token)(token)
    }

    /// The verdict on the token with what is expected of a good one.
    pub(super) fn verify(&self) -> Result<VerifiedToken, TokenInvalid> {
        self.verify_with(&[], |_| {})
    }

    /// The verdict with these certificates given, and with another expectation.
    pub(super) fn verify_with<'e>(
        &'e self,
        certificates: &'e [CertificateDer<'e>],
        change: impl FnOnce(&mut Expectations<'e>),
    ) -> Result<VerifiedToken, TokenInvalid> {
        let mut expected = expectations(&self.anchors);
        expected.certificates = certificates;
        change(&mut expected);
        verify_token(&self.token(), &expected)
    }
}

pub(super) fn expectations(anchors: &TrustAnchors) -> Expectations<'_> {
    Expectations {
        imprint: ExpectedImprint::Data(DATA),
        nonce: ExpectedNonce::Value(&[7]),
        policy: None,
        anchors,
        certificates: &[],
        crls: &[],
        at: None,
    }
}

/// The places of the elements in [`Forgery::tst_info`].
pub(super) mod place {
    pub(in super::super) const VERSION: usize = 0;
    pub(in super::super) const IMPRINT: usize = 2;
    pub(in super::super) const SERIAL: usize = 3;
    pub(in super::super) const GEN_TIME: usize = 4;
    pub(in super::super) const ACCURACY: usize = 5;
    pub(in super::super) const ORDERING: usize = 6;
    pub(in super::super) const TSA: usize = 8;
    pub(in super::super) const EXTENSIONS: usize = 9;
}

fn tst_info() -> Vec<Vec<u8>> {
    let hash = HashAlgorithm::Sha256.digest(DATA);
    vec![
        hex!("020101").to_vec(),
        hex!("0603 2a0304").to_vec(),
        sequence(&[&SHA256, &element(tag::OCTET_STRING, &[hash.as_ref()])]),
        hex!("0202 1001").to_vec(),
        gen_time("20260203040506Z"),
        hex!("3003 020101").to_vec(),
        Vec::new(),
        hex!("0201 07").to_vec(),
        Vec::new(),
        Vec::new(),
    ]
}

pub(super) fn gen_time(text: &str) -> Vec<u8> {
    element(tag::GENERALIZED_TIME, &[text.as_bytes()])
}

pub(super) fn slices(members: &[Vec<u8>]) -> Vec<&[u8]> {
    members.iter().map(Vec::as_slice).collect()
}
