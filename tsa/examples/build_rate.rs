//! How long a token takes without its signature: nanoseconds for decoding, deciding, building and attaching.
//!
//! `cargo run --release -p attestamp-tsa --example build_rate`. It justifies the claim that the request path spends its
//! time in the hash and the signature, and not in the encoding.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a program that prints one line of figures")]

use std::hint::black_box;
use std::time::Instant;

use attestamp_certs::{CertificateDer, HashAlgorithm, SignatureAlgorithm};
use attestamp_tsa::{
    Profile, ProfileConfig, Query, Serial, SerialPrefix, TimeStampReq, TimeStampResp, TokenTemplate,
    UnsignedToken, UtcInstant,
};
use hex_literal::hex;

const ROUNDS: u32 = 200_000;

/// What a template reads of a certificate: nobody verifies these tokens.
const CERTIFICATE: [u8; 98] = hex!(
    "3060 304f a003020102 020101 300a06082a8648ce3d040302 300c310a300806035504030c0153 3000"
    "300c310a300806035504030c0154 301b 301306072a8648ce3d020106082a8648ce3d030107 0304 00000000"
    "300a06082a8648ce3d040302 0301 00"
);

fn main() {
    let policy = "1.2.3.4".parse().expect("a policy");
    let profile = Profile::new(ProfileConfig::new(policy)).expect("a profile");
    let chain = [CertificateDer::from(CERTIFICATE.as_slice())];
    let template =
        TokenTemplate::new(&profile, &chain, SignatureAlgorithm::EcdsaP256Sha256).expect("a template");
    let query =
        Query::new(HashAlgorithm::Sha256, &[0x5a; 32]).expect("a query").with_nonce(&[0x77; 8]).to_der();
    let now = UtcInstant::new(1_795_351_623, 120_000_000).expect("a time");
    let prefix = SerialPrefix::from_random([0x41; 6]);

    let start = Instant::now();
    let mut octets = 0;
    for count in 0..ROUNDS {
        let request = TimeStampReq::decode(black_box(&query)).expect("a request");
        let grant = profile.decide(&request, now).expect("a grant");
        let serial = Serial::new(prefix, u64::from(count), [0xee; 6]);
        let unsigned = UnsignedToken::build(&grant, &template, serial);
        black_box(unsigned.to_be_signed());
        octets = black_box(TimeStampResp::granted(unsigned.attach(&[0x55; 71]))).len();
    }
    let nanoseconds = start.elapsed().as_nanos() / u128::from(ROUNDS);
    println!("{nanoseconds} ns per token of {octets} octets: decode, decide, build, attach");
}
