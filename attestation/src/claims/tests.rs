use super::*;
use crate::test_chain::{claims, full_claims};
use attestamp_strict_der::{Malformed, Reason, element, tag};
use hex_literal::hex;

mod property;
mod refused;

/// The fields of [`small`], each a whole element.
fn small_fields() -> Vec<Vec<u8>> {
    let flag = hex!("3007 0202 0103 0101ff");
    vec![
        hex!("020101").to_vec(),
        hex!("0a0100").to_vec(),
        b"\x18\x0f20260203040506Z".to_vec(),
        hex!("0a0101").to_vec(),
        element(
            tag::SEQUENCE,
            &[
                &hex!("0402 abcd"),
                b"\x0c\x01k",
                b"\x0c\x06CKK_EC",
                b"\x0c\x05P-256",
                &element(0x30, &[&flag]),
            ],
        ),
        element(tag::SEQUENCE, &[b"\x0c\x01a", b"\x0c\x01b", b"\x0c\x01c", b"\x0c\x011"]),
    ]
}

fn small() -> Claims {
    Claims {
        assurance: Assurance::HostAsserted,
        attested_at: crate::test_chain::at(1_770_091_506),
        clock: AttestationClock::HostAssured,
        nonce: None,
        key: KeyClaims {
            id: vec![0xab, 0xcd],
            label: "k".to_owned(),
            key_type: "CKK_EC".to_owned(),
            parameter_set: "P-256".to_owned(),
            flags: KeyFlags::default().with(KeyFlag::Sensitive, Some(true)),
            key_gen_mechanism: None,
            allowed_mechanisms: None,
            start_date: None,
            end_date: None,
            unique_id: None,
        },
        platform: Platform {
            manufacturer: "a".to_owned(),
            model: "b".to_owned(),
            serial: "c".to_owned(),
            firmware: "1".to_owned(),
        },
        policy: None,
        evidence: Vec::new(),
        end: None,
    }
}

fn assemble(fields: &[Vec<u8>]) -> Vec<u8> {
    element(tag::SEQUENCE, &[&fields.concat()])
}

#[test]
fn the_smallest_claims_are_these_octets() {
    let expected = hex!(
        "304b"
        "020101" // version 1
        "0a0100" // hostAsserted
        "180f 32303236303230333034303530365a" // 20260203040506Z
        "0a0101" // hostAssured
        "3021 0402abcd 0c016b 0c06434b4b5f4543 0c05502d323536 3009 3007 02020103 0101ff"
        "300c 0c0161 0c0162 0c0163 0c0131"
    );
    assert_eq!(small().to_der(), expected);
    assert_eq!(assemble(&small_fields()), expected);
    assert_eq!(Claims::from_der(&expected), Ok(small()));
}

#[test]
fn d4_every_optional_field_has_its_tag() {
    let full = full_claims();
    let der = full.to_der();
    assert_eq!(Claims::from_der(&der), Ok(full));
    let nonce: Vec<u8> = (0..32).collect();
    for field in [
        [&hex!("8020"), nonce.as_slice()].concat(),
        // keyGenMechanism, allowedMechanisms, startDate, endDate and uniqueId close the key.
        b"\x80\x13CKM_EC_KEY_PAIR_GEN\xa1\x1d\x0c\x09CKM_ECDSA\x0c\x10CKM_ECDSA_SHA256".to_vec(),
        b"\x82\x0820260102\x83\x0820271231\x84\x074f3c-\xc3\xa4".to_vec(),
        b"\x0c\x0ctimestamping\x0c\x0btsu default\x30\x08\x06\x06\x04\x00\x8f\x67\x01\x01".to_vec(),
        [&hex!("a25c 305a 0616")[..], &crate::oid::YUBIHSM2_EVIDENCE, &hex!("0440 5a5a")].concat(),
        b"\xa3\x14\x18\x0f20251231235955Z\x0a\x01\x01".to_vec(),
    ] {
        assert!(der.windows(field.len()).any(|window| window == field), "{field:02x?} is not in {der:02x?}");
    }
}

#[test]
fn d4_a_nonce_of_16_to_64_octets_is_echoed_exactly() {
    for octets in [vec![0; 16], vec![0xff; 17], (0..64).collect::<Vec<u8>>()] {
        let nonce = Nonce::new(octets.clone()).unwrap();
        let claims = Claims { nonce: Some(nonce), ..small() };
        let read = Claims::from_der(&claims.to_der()).unwrap();
        assert_eq!(read.nonce.unwrap().as_bytes(), octets);
    }
    for found in [0, 15, 65] {
        assert_eq!(Nonce::new(vec![7; found]), Err(NonceInvalid { found }));
    }
    assert_eq!(
        Nonce::new(hex!("00010203040506070809 0a0b0c0d0e ff").to_vec()).unwrap().to_string().len(),
        32
    );
}

#[test]
fn d11_the_assurance_is_the_third_element_and_nothing_else_changes_with_it() {
    let signed = Claims { assurance: Assurance::DeviceSigned, ..small() };
    let mut der = small().to_der();
    assert_eq!(der[5..8], hex!("0a0100"));
    der[7] = 1;
    assert_eq!(der, signed.to_der());
}

#[test]
fn an_empty_list_of_mechanisms_is_not_an_absent_one() {
    let mut claims = small();
    claims.key.allowed_mechanisms = Some(Vec::new());
    assert_ne!(claims.to_der(), small().to_der());
    assert_eq!(Claims::from_der(&claims.to_der()), Ok(claims));
}

#[test]
fn limits_are_reached_and_still_read() {
    let mut claims = claims();
    let text = "ä".repeat(127) + "a";
    claims.key.id = vec![1; MAX_ID_OCTETS];
    claims.key.label.clone_from(&text);
    claims.key.unique_id = Some(text.clone());
    claims.key.allowed_mechanisms = Some(vec![text.clone(); MAX_MECHANISMS]);
    let policy = claims.policy.as_mut().unwrap();
    policy.tsa_policies = vec![vec![0x2a; 64]; MAX_TSA_POLICIES];
    policy.user = text;
    let claim = EvidenceClaim { format: vec![0x2a; 64], sha512: [1; 64] };
    claims.evidence = vec![claim; MAX_EVIDENCE];
    let der = claims.to_der();
    assert!(der.len() < MAX_CLAIMS_OCTETS, "{}", der.len());
    assert_eq!(Claims::from_der(&der), Ok(claims));
}

#[test]
fn the_names_of_a_token_are_read_alone() {
    let platform = small().platform;
    assert_eq!(platform.to_der(), hex!("300c 0c0161 0c0162 0c0163 0c0131"));
    assert_eq!(Platform::from_der(&platform.to_der()), Ok(platform));
    let trailing = [&hex!("300c 0c0161 0c0162 0c0163 0c0131")[..], &[5, 0]].concat();
    let malformed = Malformed { offset: 14, reason: Reason::TrailingData { octets: 2 } };
    assert_eq!(Platform::from_der(&trailing), Err(ClaimsInvalid::Malformed(malformed)));
}

#[test]
fn dates_are_written_for_people_with_dashes() {
    assert_eq!(Date { year: 26, month: 2, day: 3 }.to_string(), "0026-02-03");
}
