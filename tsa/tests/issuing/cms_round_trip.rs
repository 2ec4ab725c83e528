//! Another implementation of CMS decodes a token and encodes it to the same octets: the token is DER throughout.

use attestamp_certs::SignatureAlgorithm;
use attestamp_tsa::{EssHash, ProfileConfig, Query};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::SignedData;
use der::{Decode, Encode};

use crate::test_tsu::TestTsu;

/// The `SignedData` of a granted reply, read by the `cms` crate, after everything was encoded back and compared.
pub(crate) fn signed_data(reply: &[u8]) -> SignedData {
    let (_, rest) = der_header(reply);
    let token = rest.strip_prefix(&[0x30, 0x03, 0x02, 0x01, 0x00]).unwrap();
    let content_info = ContentInfo::from_der(token).unwrap();
    assert_eq!(content_info.to_der().unwrap(), token);
    let signed_data: SignedData = content_info.content.decode_as().unwrap();
    assert_eq!(signed_data.to_der().unwrap(), content_info.content.to_der().unwrap());
    signed_data
}

/// Splits off tag and length, whatever they are.
fn der_header(der: &[u8]) -> (&[u8], &[u8]) {
    let length_octets = match der[1] {
        0..0x80 => 0,
        long => usize::from(long & 0x7f),
    };
    der.split_at(2 + length_octets)
}

#[test]
fn tokens_decode_and_encode_to_the_same_octets() {
    let query =
        Query::new(attestamp_certs::HashAlgorithm::Sha512, &[0x5a; 64]).unwrap().with_nonce(&[0xff; 16]);
    for algorithm in
        [SignatureAlgorithm::EcdsaP256Sha256, SignatureAlgorithm::RsaPkcs1Sha512, SignatureAlgorithm::Ed25519]
    {
        let tsu = TestTsu::new(algorithm);
        for (cert_req, ess) in
            [(true, EssHash::V2Sha256), (false, EssHash::V2Sha512), (true, EssHash::CompatibilityV1Sha1)]
        {
            let config = ProfileConfig { ess, ..ProfileConfig::new("1.2.3.4".parse().unwrap()) };
            let reply = tsu.reply(&config, &query.clone().with_cert_req(cert_req).to_der());
            let signed_data = signed_data(&reply);
            assert_eq!(signed_data.version, CmsVersion::V3);
            assert_eq!(signed_data.encap_content_info.econtent_type.to_string(), "1.2.840.113549.1.9.16.1.4");
            assert_eq!(signed_data.certificates.is_some(), cert_req);
            let [signer] = signed_data.signer_infos.0.as_slice() else { panic!("one SignerInfo") };
            assert_eq!(signer.version, CmsVersion::V1);
            assert!(signer.unsigned_attrs.is_none());
            let types: Vec<String> = signer
                .signed_attrs
                .iter()
                .flat_map(|set| set.iter())
                .map(|one| one.oid.to_string())
                .collect();
            assert_eq!(types.len(), 3, "{types:?}");
            for attribute in signer.signed_attrs.iter().flat_map(|set| set.iter()) {
                assert_eq!(attribute.values.len(), 1, "single-valued");
            }
        }
    }
}
