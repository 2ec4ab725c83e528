//! `TimeStampResp::decode` and the whole verifier on any input.
//!
//! Beyond "does not panic": a token that holds against the root of the seeds says what one of the seeds says, because
//! nobody else has a key below that root. So a byte through which a verdict could be had for another statement is a
//! crash here. The seeds were made by `openssl ts -reply`; their root is valid for a hundred years.
//!
//! `cargo fuzz run -s none timestamp_token fuzz/corpus/timestamp_token fuzz/seeds/timestamp_token`
#![no_main]

use std::sync::LazyLock;

use attestamp_certs::TrustAnchors;
use attestamp_tsa::TimeStampResp;
use attestamp_tsa::verify::{
    Expectations, ExpectedImprint, ExpectedNonce, UnverifiedToken, VerifiedToken, verify_token,
};
use libfuzzer_sys::fuzz_target;

/// What the seeds are timestamps of.
const DATA: &[u8] = b"the data that is stamped\n";

static ANCHORS: LazyLock<TrustAnchors> =
    LazyLock::new(|| TrustAnchors::from_pem(include_str!("timestamp_token/root.pem")).expect("a root"));

static SEEDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let seeds: [&[u8]; 3] = [
        include_bytes!("../seeds/timestamp_token/p256.tsr"),
        include_bytes!("../seeds/timestamp_token/rsa.tsr"),
        include_bytes!("../seeds/timestamp_token/every-field.tsr"),
    ];
    seeds
        .iter()
        .map(|seed| statement(&verify_token(seed, &expectations()).expect("a seed that holds")))
        .collect()
});

fuzz_target!(|input: &[u8]| {
    assert_eq!(SEEDS.len(), 3);
    if let Ok(response) = TimeStampResp::decode(input) {
        assert!(response.token.is_none_or(|token| token.len() < input.len()));
    }
    let Ok(token) = UnverifiedToken::parse(input) else { return };
    if let Ok(verified) = token.verify(&expectations()) {
        assert_eq!(verified.gen_time, token.claimed_gen_time());
        assert!(SEEDS.contains(&statement(&verified)));
    }
});

fn expectations() -> Expectations<'static> {
    Expectations {
        imprint: ExpectedImprint::Data(DATA),
        nonce: ExpectedNonce::Any,
        policy: None,
        anchors: &ANCHORS,
        certificates: &[],
        crls: &[],
        at: None,
    }
}

/// Everything that a verifier tells its user.
fn statement(token: &VerifiedToken) -> String {
    format!("{token:?}")
}
