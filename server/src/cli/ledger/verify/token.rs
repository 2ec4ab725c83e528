//! One timestamp beside the entry that is to be its own.

use std::fmt;

use attestamp_certs::CertificateDer;
use attestamp_ledger::{Entry, Hash, TokenEntry};
use attestamp_strict_der::Oid;
use attestamp_tsa::PolicyOid;
use attestamp_tsa::verify::UnverifiedToken;

use crate::cli::ledger::list::rfc3339;
use crate::hex;

/// What a timestamp says that is on record too.
#[derive(Debug)]
pub(in crate::cli::ledger) struct Facts<'a> {
    hash: Hash,
    /// Content octets.
    pub(in crate::cli::ledger) serial: &'a [u8],
    gen_time_microseconds: u64,
    policy: PolicyOid,
    /// Of the certificate that the signature binds; `None` if it is not at hand, or the signature does not hold.
    certificate: Option<Hash>,
}

/// How they differ.
#[derive(Debug)]
pub(in crate::cli::ledger) enum Difference {
    /// The entry is that of something else.
    NoToken,
    /// This is not the same.
    Field { what: &'static str, of_token: String, on_record: String },
}

impl<'a> Facts<'a> {
    /// Of a timestamp, whose certificate may be among these.
    pub(in crate::cli::ledger) fn of(
        token: &UnverifiedToken<'a>,
        certificates: &[CertificateDer<'_>],
    ) -> Self {
        let signed = token.verify_signature(certificates).ok();
        Self {
            hash: Hash::of(token.der()),
            serial: token.claimed_serial(),
            gen_time_microseconds: token.claimed_gen_time().unix_microseconds(),
            policy: token.claimed_policy().clone(),
            certificate: signed.map(|signed| Hash::of(signed.certificate.der())),
        }
    }
}

/// Compares all that both say.
pub(in crate::cli::ledger) fn check_entry<'e>(
    entry: &'e Entry,
    facts: &Facts<'_>,
) -> Result<&'e TokenEntry, Difference> {
    let Entry::Token(entry) = entry else { return Err(Difference::NoToken) };
    let same = |what, is_same: bool, of_token: String, on_record: String| {
        if is_same { Ok(()) } else { Err(Difference::Field { what, of_token, on_record }) }
    };
    let serials = (hex::encode(facts.serial), hex::encode(&entry.serial));
    same("serial number", serials.0 == serials.1, serials.0, serials.1)?;
    let (time, recorded) = (facts.gen_time_microseconds, entry.gen_time_microseconds);
    same("time", time == recorded, rfc3339(time), rfc3339(recorded))?;
    let policies = (facts.policy.to_string(), policy(&entry.policy));
    same("policy", policies.0 == policies.1, policies.0, policies.1)?;
    let hashes = (facts.hash, entry.token_hash);
    same("SHA-256", hashes.0 == hashes.1, hashes.0.to_string(), hashes.1.to_string())?;
    if let Some(certificate) = facts.certificate {
        let hashes = (certificate, entry.certificate_hash);
        same("certificate", hashes.0 == hashes.1, hashes.0.to_string(), hashes.1.to_string())?;
    }
    Ok(entry)
}

/// What is on record of it, for people.
pub(super) fn lines(index: u64, entry: &TokenEntry, facts: &Facts<'_>) -> Vec<String> {
    let compared = match facts.certificate {
        Some(_) => "",
        None => " (not compared: the timestamp carries none; --tsu-certificate gives it)",
    };
    vec![
        format!("entry        {index}"),
        format!("serial       0x{}", hex::encode(&entry.serial)),
        format!("time         {}", rfc3339(entry.gen_time_microseconds)),
        format!("policy       {}", policy(&entry.policy)),
        format!("certificate  {}{compared}", entry.certificate_hash),
        format!("clock state  {}", entry.clock_state),
    ]
}

/// A policy's content octets in dotted form.
pub(in crate::cli::ledger) fn policy(content: &[u8]) -> String {
    match Oid::from_content(content, 0) {
        Ok(oid) => PolicyOid::from_oid(oid).to_string(),
        Err(_) => format!("not an object identifier: {}", hex::encode(content)),
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken => out.write_str("the entry that is proved is not that of a timestamp"),
            Self::Field { what, of_token, on_record } => {
                write!(out, "the timestamp's {what} is {of_token}, and on record is {on_record}")
            }
        }
    }
}
