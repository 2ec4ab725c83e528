//! `TimeStampResp::decode` and the whole verifier on any input.
//!
//! Beyond "does not panic": a token that holds against the root of the seeds says what one of the seeds says, because
//! nobody else has a key below that root. So a byte through which a verdict could be had for another statement is a
//! crash here. Three seeds were made by `openssl ts -reply`; their root is valid for a hundred years. The post-quantum one and
//! the one that carries another are attestamp's own; a chain is verified at its token's time, so that their roots may end.
//!
//! `cargo fuzz run -s none timestamp_token fuzz/corpus/timestamp_token fuzz/seeds/timestamp_token`
#![no_main]

use std::sync::LazyLock;

use attestamp_certs::TrustAnchors;
use attestamp_tsa::TimeStampResp;
use attestamp_tsa::verify::{
    Expectations, ExpectedImprint, ExpectedNonce, NestedToken, UnverifiedToken, VerifiedToken, verify_token,
};
use libfuzzer_sys::fuzz_target;

/// What the seeds are timestamps of.
const DATA: &[u8] = b"the data that is stamped\n";

static ANCHORS: LazyLock<TrustAnchors> =
    LazyLock::new(|| TrustAnchors::from_pem(include_str!("timestamp_token/root.pem")).expect("a root"));

static SEEDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let seeds: [&[u8]; 5] = [
        include_bytes!("../seeds/timestamp_token/p256.tsr"),
        include_bytes!("../seeds/timestamp_token/rsa.tsr"),
        include_bytes!("../seeds/timestamp_token/every-field.tsr"),
        include_bytes!("../seeds/timestamp_token/ml-dsa-65.tsr"),
        include_bytes!("../seeds/timestamp_token/hybrid.tsr"),
    ];
    seeds
        .iter()
        .flat_map(|seed| statements(&verify_token(seed, &expectations()).expect("a seed that holds")))
        .collect()
});

fuzz_target!(|input: &[u8]| {
    assert_eq!(SEEDS.len(), 6);
    if let Ok(response) = TimeStampResp::decode(input) {
        assert!(response.token.is_none_or(|token| token.len() < input.len()));
    }
    let Ok(token) = UnverifiedToken::parse(input) else { return };
    if let Ok(verified) = token.verify(&expectations()) {
        assert_eq!(verified.gen_time, token.claimed_gen_time());
        assert!(statements(&verified).iter().all(|statement| SEEDS.contains(statement)));
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

/// Everything that a verifier tells its user of the token, and of those over its signature that hold. One that leads to no
/// trusted root says nothing, and everybody can put one there.
fn statements(token: &VerifiedToken) -> Vec<String> {
    let alone = VerifiedToken { nested: Vec::new(), ..token.clone() };
    let nested = token.nested.iter().filter_map(|nested| match nested {
        NestedToken::Holds(token) => Some(format!("{token:?}")),
        NestedToken::NotJudged { .. } => None,
    });
    [format!("{alone:?}")].into_iter().chain(nested).collect()
}
