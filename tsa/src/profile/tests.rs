//! Profiles that contradict themselves, and decisions that are not about one row of the request table.

use super::*;
use crate::Query;

fn policy(dotted: &str) -> PolicyOid {
    dotted.parse().unwrap()
}

fn config() -> ProfileConfig {
    ProfileConfig::new(policy("1.2.3.4"))
}

fn now() -> UtcInstant {
    UtcInstant::new(1_795_351_623, 987_654_321).unwrap()
}

#[test]
fn the_default_is_the_profile_that_every_client_accepts() {
    let config = config();
    assert_eq!(config.accuracy, Accuracy::ONE_SECOND);
    assert_eq!(config.gen_time_precision, GenTimePrecision::Seconds);
    assert_eq!(config.ess, EssHash::V2Sha256);
    assert_eq!(config.chain_depth, ChainDepth::Intermediates);
    assert_eq!(config.accepted_hashes, HashAlgorithm::OF_DATA);
    assert_eq!(config.compatibility, Compatibility { explicit_cert_req_false: false });
    assert!(Profile::new(config).is_ok());
}

#[test]
fn a_profile_without_hashes_is_refused() {
    let config = ProfileConfig { accepted_hashes: Vec::new(), ..config() };
    assert_eq!(Profile::new(config), Err(ProfileError::NoAcceptedHash));
}

#[test]
fn gen_time_is_as_fine_as_the_accuracy_claims() {
    let profile = |accuracy, gen_time_precision| {
        Profile::new(ProfileConfig { accuracy, gen_time_precision, ..config() }).map(|_| ())
    };
    let half_second = Accuracy::new(0, 500, 0).unwrap();
    assert_eq!(
        profile(half_second, GenTimePrecision::Seconds),
        Err(ProfileError::GenTimeTooCoarse { step_microseconds: 1_000_000, accuracy_microseconds: 500_000 })
    );
    assert_eq!(profile(half_second, GenTimePrecision::Millis), Ok(()));
    let half_milli = Accuracy::new(0, 0, 500).unwrap();
    assert!(profile(half_milli, GenTimePrecision::Millis).is_err());
    assert_eq!(profile(half_milli, GenTimePrecision::Micros), Ok(()));
}

#[test]
fn en_319_421_7_7_2_03_accuracy_of_a_second_or_better() {
    for etsi in [Etsi::Etsi, Etsi::Qualified] {
        let accuracy = Accuracy::new(1, 0, 1).unwrap();
        let error = Profile::new(ProfileConfig { etsi, accuracy, ..config() }).unwrap_err();
        assert_eq!(error, ProfileError::EtsiAccuracy { accuracy_microseconds: 1_000_001 });
        assert!(Profile::new(ProfileConfig { etsi, ..config() }).is_ok());
    }
}

#[test]
fn en_319_422_annex_a_policies() {
    let profile = |default: &str, accepted: &str| {
        let accepted_policies = vec![policy(accepted)];
        let config = ProfileConfig { accepted_policies, ..ProfileConfig::new(policy(default)) };
        Profile::new(ProfileConfig { etsi: Etsi::Etsi, ..config }).map(|_| ())
    };
    assert_eq!(profile("0.4.0.2023.1.1", "1.2.3"), Ok(()));
    let wrong = policy("0.4.0.2023.1.2");
    assert_eq!(profile("1.2.3", "0.4.0.2023.1.2"), Err(ProfileError::EtsiPolicy { policy: wrong.clone() }));
    assert_eq!(profile("0.4.0.2023.1.2", "1.2.3"), Err(ProfileError::EtsiPolicy { policy: wrong }));
}

#[test]
fn etsi_has_no_place_for_sha_1() {
    let config = ProfileConfig { ess: EssHash::CompatibilityV1Sha1, ..config() };
    assert!(Profile::new(config.clone()).is_ok());
    let error = Profile::new(ProfileConfig { etsi: Etsi::Etsi, ..config }).unwrap_err();
    assert_eq!(error, ProfileError::EtsiEssHash);
}

#[test]
fn gen_time_is_truncated_to_the_precision() {
    let der = Query::new(HashAlgorithm::Sha256, &[0; 32]).unwrap().to_der();
    let request = TimeStampReq::decode(&der).unwrap();
    for (gen_time_precision, nanoseconds) in [
        (GenTimePrecision::Seconds, 0),
        (GenTimePrecision::Millis, 987_000_000),
        (GenTimePrecision::Micros, 987_654_000),
    ] {
        let profile = Profile::new(ProfileConfig { gen_time_precision, ..config() }).unwrap();
        let grant = profile.decide(&request, now()).unwrap();
        assert_eq!(grant.gen_time, UtcInstant::new(1_795_351_623, nanoseconds).unwrap());
    }
}

#[test]
fn a1_5_the_policy_asked_for_is_the_policy_given() {
    let config = ProfileConfig { accepted_policies: vec![policy("1.2.3.5")], ..config() };
    let profile = Profile::new(config).unwrap();
    assert_eq!(profile.policies().collect::<Vec<_>>(), [&policy("1.2.3.4"), &policy("1.2.3.5")]);
    let query = Query::new(HashAlgorithm::Sha256, &[0; 32]).unwrap();
    let granted = |query: Query| {
        let der = query.to_der();
        let request = TimeStampReq::decode(&der).unwrap();
        profile.decide(&request, now()).map(|grant| grant.policy.clone())
    };
    assert_eq!(granted(query.clone()), Ok(policy("1.2.3.4")));
    assert_eq!(granted(query.clone().with_policy(policy("1.2.3.4"))), Ok(policy("1.2.3.4")));
    assert_eq!(granted(query.clone().with_policy(policy("1.2.3.5"))), Ok(policy("1.2.3.5")));
    assert_eq!(granted(query.with_policy(policy("1.2.3"))), Err(Refusal::PolicyNotOffered));
}

#[test]
fn a1_4_a_hash_can_be_switched_off() {
    let accepted_hashes = vec![HashAlgorithm::Sha512];
    let profile = Profile::new(ProfileConfig { accepted_hashes, ..config() }).unwrap();
    let der = Query::new(HashAlgorithm::Sha256, &[0; 32]).unwrap().to_der();
    let refusal = profile.decide(&TimeStampReq::decode(&der).unwrap(), now()).unwrap_err();
    assert_eq!(refusal, Refusal::HashNotAccepted { hash: HashAlgorithm::Sha256 });
}
