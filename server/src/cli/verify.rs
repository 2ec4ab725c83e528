//! `attestamp verify`: judges a timestamp, offline, for somebody who trusts nobody but the roots that they name.
//!
//! The judging is `attestamp_tsa::verify`'s; here are the files, the options and the words. Nothing is fetched and no
//! clock is read: the chain is verified at the token's own time, or at `--at`. A token nested in it is judged with it. Three ends, so that scripts need not read
//! text: 0, the timestamp holds; 1, it does not; 2, it could not be judged, because a file or an option is not usable.

pub(super) mod inputs;
pub(super) mod report;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use attestamp_certs::{CertificateDer, HashAlgorithm, RevocationList, TrustAnchors, UnixTime};
use attestamp_tsa::PolicyOid;
use attestamp_tsa::verify::{
    Expectations, ExpectedImprint, ExpectedNonce, TokenInvalid, UnverifiedToken, VerifiedToken,
};
use clap::{ArgGroup, Args};

use inputs::{Imprint, Nonce, Octets};

/// Exit code of a timestamp that does not hold.
const DOES_NOT_HOLD: u8 = 1;
/// Exit code where nothing could be judged.
const NOT_JUDGED: u8 = 2;

/// Options of `verify`.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("stamped").args(["data", "digest", "query"]).required(true)),
    after_help = "Exit code: 0 the timestamp holds, 1 it does not, 2 it could not be judged."
)]
pub struct VerifyArgs {
    /// The timestamp: a response as the server sent it, or the bare token
    #[arg(value_name = "FILE.tsr")]
    timestamp: PathBuf,
    // Shares its id with the program's `--data DIR`, which this command does not need, so that clap lets it shadow that.
    /// The stamped file; `-` for the standard input
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Hash value of the stamped file, in hexadecimal, in place of the file; `sha256:…` also fixes the algorithm
    #[arg(long, value_name = "HEX")]
    digest: Option<inputs::DigestOption>,
    /// The request that the timestamp answers, in place of the file: hash, nonce and policy are compared
    #[arg(long, value_name = "FILE.tsq")]
    query: Option<PathBuf>,
    /// Trusted roots in PEM; certificates in it that are no roots help to find a path
    #[arg(long, value_name = "FILE", required = true)]
    ca: Vec<PathBuf>,
    /// Certificates in PEM that may be needed and are not trusted: those of a timestamp made without
    #[arg(long, value_name = "FILE")]
    untrusted: Vec<PathBuf>,
    /// Revocation list, PEM or DER; without one, revocation is not checked
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// Verify the certificates at this time [default: the time in the timestamp]; RFC 3339, or a date (its first second, UTC)
    #[arg(long, value_name = "TIME", value_parser = inputs::parse_time)]
    at: Option<UnixTime>,
    /// Nonce that the timestamp must have, in hexadecimal
    #[arg(long, value_name = "HEX", conflicts_with = "query")]
    nonce: Option<Octets>,
    /// Policy that the timestamp must have been issued under
    #[arg(long, value_name = "OID")]
    policy: Option<PolicyOid>,
    /// Refuse a timestamp without a post-quantum signature up to the root, its own or that of a token nested in it: a
    /// nested token can be stripped without a trace. Give the post-quantum root with --ca too
    #[arg(long)]
    require_post_quantum: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Everything that was read from files and options.
struct Evidence {
    timestamp: Vec<u8>,
    imprint: Imprint,
    nonce: Nonce,
    policy: Option<PolicyOid>,
    anchors: TrustAnchors,
    certificates: Vec<CertificateDer<'static>>,
    crls: Vec<RevocationList>,
    at: Option<UnixTime>,
    require_post_quantum: bool,
}

/// Judges the timestamp and prints the verdict.
///
/// # Errors
/// Where the verdict cannot be printed. What stands in the way of a verdict is printed, and is exit code 2.
pub fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let json = args.json;
    let judged = Evidence::read(args).and_then(|evidence| {
        let verdict = judge(&evidence)?;
        Ok((evidence, verdict))
    });
    let (code, printed) = match judged {
        Ok((_, Ok(token))) => (ExitCode::SUCCESS, report::holds(&mut out, &token, json)),
        Ok((evidence, Err(invalid))) => {
            let printed = report::does_not_hold(&mut out, &invalid, &evidence.timestamp, json);
            (ExitCode::from(DOES_NOT_HOLD), printed)
        }
        Err(error) => {
            writeln!(std::io::stderr(), "attestamp: the timestamp could not be judged: {error:#}")?;
            (ExitCode::from(NOT_JUDGED), Ok(()))
        }
    };
    match printed.and_then(|()| out.flush()) {
        // `verify … | head`: the verdict is the exit code's, whoever stops reading.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(code),
    }
}

impl Evidence {
    fn read(args: VerifyArgs) -> anyhow::Result<Self> {
        let timestamp = inputs::read_timestamp(&args.timestamp)?;
        let asked = match &args.query {
            Some(path) => Some(inputs::read_query(path)?),
            None => None,
        };
        let nonce = match (&asked, args.nonce) {
            (Some(query), _) => query.nonce.clone(),
            (None, Some(nonce)) => Nonce::Value(nonce.0),
            (None, None) => Nonce::Any,
        };
        let policy = args.policy.or_else(|| asked.as_ref().and_then(|query| query.policy.clone()));
        // The order decides: where the file is not named here, `args.data` may be the program's data folder.
        let imprint = match (args.digest, asked, args.data) {
            (Some(digest), _, _) => Imprint::Digest(digest.algorithm, digest.value),
            (None, Some(query), _) => Imprint::Digest(Some(query.hash), query.hashed_message),
            (None, None, Some(path)) => Imprint::File(path),
            (None, None, None) => anyhow::bail!("one of --data, --digest and --query is needed"),
        };
        Ok(Self {
            timestamp,
            imprint,
            nonce,
            policy,
            anchors: inputs::read_anchors(&args.ca)?,
            certificates: inputs::read_certificates(&args.untrusted)?,
            crls: inputs::read_crls(&args.crl)?,
            at: args.at,
            require_post_quantum: args.require_post_quantum,
        })
    }
}

/// The outer error is one of reading the stamped file.
fn judge(evidence: &Evidence) -> anyhow::Result<Result<VerifiedToken, TokenInvalid>> {
    let token = match UnverifiedToken::parse(&evidence.timestamp) {
        Ok(token) => token,
        Err(invalid) => return Ok(Err(invalid)),
    };
    let (algorithm, value) = digest(&evidence.imprint, token.hash())?;
    let imprint = match algorithm {
        Some(algorithm) => ExpectedImprint::DigestOf(algorithm, &value),
        None => ExpectedImprint::Digest(&value),
    };
    let nonce = match &evidence.nonce {
        Nonce::Any => ExpectedNonce::Any,
        Nonce::Absent => ExpectedNonce::Absent,
        Nonce::Value(octets) => ExpectedNonce::Value(octets),
    };
    let verified = token.verify(&Expectations {
        imprint,
        nonce,
        policy: evidence.policy.as_ref(),
        anchors: &evidence.anchors,
        certificates: &evidence.certificates,
        crls: &evidence.crls,
        at: evidence.at,
    });
    Ok(verified.and_then(|token| {
        if evidence.require_post_quantum {
            token.require_post_quantum()?;
        }
        Ok(token)
    }))
}

/// The hash value to compare; of a file, with the algorithm that the token names.
fn digest(imprint: &Imprint, of_token: HashAlgorithm) -> anyhow::Result<(Option<HashAlgorithm>, Vec<u8>)> {
    match imprint {
        Imprint::Digest(algorithm, value) => Ok((*algorithm, value.clone())),
        Imprint::File(path) => {
            let value = inputs::hash_file(path, of_token)
                .with_context(|| format!("cannot read the stamped file {}", path.display()))?;
            Ok((Some(of_token), value))
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
