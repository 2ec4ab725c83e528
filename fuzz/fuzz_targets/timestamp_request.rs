//! `TimeStampReq::decode` and `Profile::decide` on any input.
//!
//! Beyond "does not panic": a request that is accepted has one encoding. What was decoded is encoded back, field by
//! field, and must give the input; so a byte that the decoder skips is a crash here.
//!
//! `cargo fuzz run -s none timestamp_request fuzz/corpus/timestamp_request fuzz/seeds/timestamp_request` (the sanitizer
//! needs a nightly compiler; without `-s none` it is on).
#![no_main]

use std::sync::LazyLock;

use attestamp_tsa::{
    Compatibility, Failure, Profile, ProfileConfig, TimeStampReq, TimeStampResp, UtcInstant,
};
use libfuzzer_sys::fuzz_target;

static PROFILE: LazyLock<Profile> = LazyLock::new(|| {
    let policy = "1.2.3.4".parse().expect("a policy");
    Profile::new(ProfileConfig::new(policy)).expect("a profile")
});

fuzz_target!(|input: &[u8]| {
    let lenient = TimeStampReq::decode_with(input, Compatibility { explicit_cert_req_false: true });
    let request = match TimeStampReq::decode(input) {
        Ok(request) => request,
        Err(malformed) => {
            assert!(malformed.offset <= input.len());
            let _ = TimeStampResp::rejection_of(&Failure::from(malformed));
            return;
        }
    };
    assert_eq!(lenient, Ok(request));
    assert_eq!(encode(&request), input);
    let now = UtcInstant::new(1_795_351_623, 0).expect("a time");
    match PROFILE.decide(&request, now) {
        Ok(grant) => assert_eq!(grant.nonce, request.nonce()),
        Err(refusal) => drop(TimeStampResp::rejection_of(&Failure::from(refusal))),
    }
});

fn encode(request: &TimeStampReq<'_>) -> Vec<u8> {
    let mut fields = element(0x02, request.version());
    fields.extend(request.message_imprint().as_der());
    if let Some(policy) = request.req_policy() {
        fields.extend(element(0x06, policy.content()));
    }
    if let Some(nonce) = request.nonce() {
        fields.extend(element(0x02, nonce));
    }
    if request.cert_req() {
        fields.extend([0x01, 0x01, 0xff]);
    }
    let mut extensions = Vec::new();
    for extension in request.extensions().iter() {
        let mut members = element(0x06, extension.id().content());
        if extension.critical() {
            members.extend([0x01, 0x01, 0xff]);
        }
        members.extend(element(0x04, extension.value()));
        extensions.extend(element(0x30, &members));
    }
    if !extensions.is_empty() {
        fields.extend(element(0xa0, &extensions));
    }
    element(0x30, &fields)
}

/// A DER element; requests are shorter than 64 KiB.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a length below 64 KiB").to_be_bytes();
    let header = match length {
        [0, short @ 0..0x80] => vec![tag, short],
        [0, low] => vec![tag, 0x81, low],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [header.as_slice(), content].concat()
}
