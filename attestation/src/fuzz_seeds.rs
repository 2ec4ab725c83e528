//! The seeds of the fuzz targets are what this crate's tests make. `ATTESTAMP_WRITE_SEEDS=1` writes them anew, after a change
//! of the format.

use std::path::{Path, PathBuf};

use attestamp_certs::pem::certificates_from_pem;

use crate::test_bundle::{Classical, TestBundle, pem};
use crate::test_chain::{TestChain, TestKey, claims, claims_of, full_claims};
use crate::{Claims, KeyFlags};

/// Evidence of a real device, and the root above it.
const EVIDENCE: &str = include_str!("evidence/yubihsm2/vectors/hsm-31650425-key-7e57.pem");
const EVIDENCE_ROOT: &str = include_str!("evidence/yubihsm2/vectors/yubico-yubihsm-root-ca.pem");

/// Each with its path below `fuzz/`.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let chain = TestChain::of([41, 42, 43, 14].map(TestKey::p256));
    let mut bundle = TestBundle::classical();
    bundle.put("chain.pem", &pem(&chain.chain()));
    bundle.put_attestation("default", Classical, &chain.attest(&claims()));
    let single = [&[chain.attest(&claims())][..], &chain.chain()].concat();
    let mut smallest = claims();
    smallest.policy = None;
    smallest.key.flags = KeyFlags::default();
    smallest.key.key_gen_mechanism = None;
    // The second has every field, and evidence that is not in it.
    let mut two = bundle.clone();
    let second = Claims { policy: claims_of("second").policy, ..full_claims() };
    two.put_attestation("second", Classical, &chain.attest(&second));
    let der = |claims: &Claims| claims.to_der();
    let evidence = certificates_from_pem(EVIDENCE).unwrap();
    vec![
        ("fuzz_targets/attestation_bundle/root.pem", pem(std::slice::from_ref(&chain.root))),
        ("seeds/attestation_bundle/one-key.tar", bundle.archive()),
        ("seeds/attestation_bundle/two-keys.tar", two.archive()),
        ("seeds/attestation_bundle/one-key.pem", pem(&single)),
        ("seeds/attestation_bundle/one-key.der", single.iter().flat_map(|it| it.der().to_vec()).collect()),
        ("seeds/attestation_claims/stored.der", der(&claims())),
        ("seeds/attestation_claims/every-field.der", der(&full_claims())),
        ("seeds/attestation_claims/smallest.der", der(&smallest)),
        ("seeds/vendor_evidence/yubihsm2.pem", EVIDENCE.into()),
        ("seeds/vendor_evidence/yubihsm2-with-root.pem", format!("{EVIDENCE}{EVIDENCE_ROOT}").into()),
        ("seeds/vendor_evidence/yubihsm2-attestation.der", evidence[0].to_vec()),
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

#[test]
fn the_seeds_are_of_this_format() {
    let is_written = std::env::var_os("ATTESTAMP_WRITE_SEEDS").is_some();
    for (path, content) in seeds() {
        let file = folder().join(path);
        if is_written {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &content).unwrap();
        }
        let found = std::fs::read(&file).unwrap();
        assert!(found == content, "{path} is another: ATTESTAMP_WRITE_SEEDS=1 writes it anew");
    }
}
