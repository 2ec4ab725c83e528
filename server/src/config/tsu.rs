//! A TSU's table as the values that `tsa` and `hsm` take.

use std::num::NonZeroUsize;
use std::time::Duration;

use attestamp_certs::HashAlgorithm;
use attestamp_hsm::{DispatchChoice, PoolConfig};
use attestamp_tsa::{
    Accuracy, ChainDepth, Compatibility, EssHash, Etsi, GenTimePrecision, PolicyOid, Profile, ProfileConfig,
};

use super::file::{DispatchMode, EssHashMode, EtsiMode, PrecisionMode, TsuSection};

/// The key within the table that is wrong (empty: several do not fit each other), and what to do.
pub(super) type Wrong = (&'static str, String);

pub(super) fn profile(section: &TsuSection, compatibility: Compatibility) -> Result<Profile, Wrong> {
    let policy = |key, text: &str| {
        text.parse::<PolicyOid>()
            .map_err(|error| (key, format!("`{text}` is not an object identifier: {error}")))
    };
    let accepted_policies = section
        .accepted_policies
        .iter()
        .map(|text| policy("accepted-policies", text))
        .collect::<Result<_, _>>()?;
    let accepted_hashes = section.accepted_hashes.iter().map(|name| hash(name)).collect::<Result<_, _>>()?;
    let accuracy =
        Accuracy::new(section.accuracy_seconds, section.accuracy_milliseconds, section.accuracy_microseconds)
            .map_err(|error| ("accuracy-seconds", error.to_string()))?;
    let config = ProfileConfig {
        default_policy: policy("default-policy", &section.default_policy)?,
        accepted_policies,
        accepted_hashes,
        accuracy,
        gen_time_precision: match section.time_precision {
            PrecisionMode::Seconds => GenTimePrecision::Seconds,
            PrecisionMode::Milliseconds => GenTimePrecision::Millis,
            PrecisionMode::Microseconds => GenTimePrecision::Micros,
        },
        include_tsa_name: section.include_tsa_name,
        ess: match section.ess_hash {
            EssHashMode::Sha256 => EssHash::V2Sha256,
            EssHashMode::Sha384 => EssHash::V2Sha384,
            EssHashMode::Sha512 => EssHash::V2Sha512,
            EssHashMode::CompatibilitySha1 => EssHash::CompatibilityV1Sha1,
        },
        chain_depth: section.chain_depth.map_or(ChainDepth::Intermediates, ChainDepth::AtMost),
        etsi: match section.etsi {
            EtsiMode::Off => Etsi::Off,
            EtsiMode::Etsi => Etsi::Etsi,
            EtsiMode::Qualified => Etsi::Qualified,
        },
        compatibility,
    };
    Profile::new(config).map_err(|error| ("", error.to_string()))
}

fn hash(name: &str) -> Result<HashAlgorithm, Wrong> {
    HashAlgorithm::from_name(name).ok_or_else(|| {
        let known: Vec<_> = HashAlgorithm::OF_DATA.iter().map(|hash| hash.name()).collect();
        ("accepted-hashes", format!("`{name}` is not one of {}", known.join(", ")))
    })
}

/// Requests that may wait for a session, where the file does not say.
const QUEUE_LENGTH: usize = 256;

pub(super) fn pool_config(section: &TsuSection) -> Result<PoolConfig, Wrong> {
    let sessions = NonZeroUsize::new(section.sessions)
        .filter(|sessions| sessions.get() <= 1024)
        .ok_or_else(|| ("sessions", "must be 1 to 1024".to_owned()))?;
    if section.queue_length.is_some_and(|length| !(1..=100_000).contains(&length)) {
        return Err(("queue-length", "must be 1 to 100000".to_owned()));
    }
    if section.sign_seconds == 0 {
        return Err(("sign-seconds", "must be at least 1".to_owned()));
    }
    Ok(PoolConfig {
        sessions,
        queue_length: section.queue_length.unwrap_or(QUEUE_LENGTH),
        deadline: Duration::from_secs(u64::from(section.sign_seconds)),
        dispatch: match section.dispatch {
            DispatchMode::Auto => DispatchChoice::Auto,
            DispatchMode::Inline => DispatchChoice::Inline,
            DispatchMode::Threads => DispatchChoice::Threads,
        },
        signature_interval: match section.probe_seconds {
            0 => None,
            seconds => Some(Duration::from_secs(seconds.into())),
        },
        ..PoolConfig::default()
    })
}
