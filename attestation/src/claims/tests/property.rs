//! Whatever is written is read back, and whatever is read was written so.

use super::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..40).prop_map(|characters| characters.into_iter().collect())
}

fn time() -> impl Strategy<Value = UnixTime> {
    (0_u64..253_402_300_800).prop_map(crate::test_chain::at)
}

fn date() -> impl Strategy<Value = Date> {
    (0_u16..10_000, 1_u8..13, 1_u8..32).prop_map(|(year, month, day)| Date { year, month, day })
}

fn identifier() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(crate::oid::YUBIHSM2_EVIDENCE.to_vec()), vec(0_u8..0x80, 1..30)]
}

fn key() -> impl Strategy<Value = KeyClaims> {
    let flags = vec(any::<Option<bool>>(), KeyFlag::ALL.len()).prop_map(|values| {
        let stated = KeyFlag::ALL.into_iter().zip(values);
        stated.fold(KeyFlags::default(), |flags, (flag, value)| flags.with(flag, value))
    });
    let texts = (text(), text(), text(), of(text()), of(text()));
    (vec(any::<u8>(), 1..65), texts, flags, of(vec(text(), 0..5)), of(date()), of(date())).prop_map(
        |(id, texts, flags, allowed_mechanisms, start_date, end_date)| {
            let (label, key_type, parameter_set, key_gen_mechanism, unique_id) = texts;
            KeyClaims {
                id,
                label,
                key_type,
                parameter_set,
                flags,
                key_gen_mechanism,
                allowed_mechanisms,
                start_date,
                end_date,
                unique_id,
            }
        },
    )
}

fn platform() -> impl Strategy<Value = Platform> {
    (text(), text(), text(), text()).prop_map(|(manufacturer, model, serial, firmware)| Platform {
        manufacturer,
        model,
        serial,
        firmware,
    })
}

fn policy() -> impl Strategy<Value = KeyPolicy> {
    (text(), text(), vec(identifier(), 0..4), time(), any::<bool>()).prop_map(
        |(purpose, user, tsa_policies, not_after, accept_unattested)| KeyPolicy {
            purpose,
            user,
            tsa_policies,
            not_after,
            accept_unattested,
        },
    )
}

fn evidence() -> impl Strategy<Value = EvidenceClaim> {
    (identifier(), any::<u8>()).prop_map(|(format, octet)| EvidenceClaim { format, sha512: [octet; 64] })
}

fn any_claims() -> impl Strategy<Value = Claims> {
    let assurance = prop_oneof![Just(Assurance::HostAsserted), Just(Assurance::DeviceSigned)];
    let clock = prop_oneof![Just(AttestationClock::HostUnassured), Just(AttestationClock::HostAssured)];
    let nonce = vec(any::<u8>(), 16..65).prop_map(|octets| Nonce::new(octets).unwrap());
    let state = prop_oneof![Just(KeyEndState::Retired), Just(KeyEndState::Destroyed)];
    let end = (time(), state).prop_map(|(time, state)| KeyEnd { time, state });
    let lists = (of(policy()), vec(evidence(), 0..9), of(end));
    (assurance, time(), clock, of(nonce), key(), platform(), lists).prop_map(
        |(assurance, attested_at, clock, nonce, key, platform, (policy, evidence, end))| Claims {
            assurance,
            attested_at,
            clock,
            nonce,
            key,
            platform,
            policy,
            evidence,
            end,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(claims in any_claims()) {
        prop_assert_eq!(Claims::from_der(&claims.to_der()), Ok(claims));
    }

    #[test]
    fn what_is_read_was_written_so(
        claims in any_claims(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut der = claims.to_der();
        for (place, octet) in changes {
            let place = place.index(der.len());
            der[place] = octet;
        }
        if let Ok(read) = Claims::from_der(&der) {
            prop_assert_eq!(read.to_der(), der);
        }
    }

    #[test]
    fn no_octets_panic(octets in vec(any::<u8>(), 0..200)) {
        let _ = Claims::from_der(&octets);
        let _ = Platform::from_der(&octets);
    }
}

#[test]
fn every_single_bit_is_read_as_something_else_or_not_at_all() {
    let claims = full_claims();
    let der = claims.to_der();
    for bit in 0..der.len() * 8 {
        let mut flipped = der.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = Claims::from_der(&flipped) {
            assert_ne!(read, claims, "bit {bit}");
            assert_eq!(read.to_der(), flipped, "bit {bit}");
        }
    }
}
