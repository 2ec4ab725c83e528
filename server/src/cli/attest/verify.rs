//! `attestamp attest verify`: judges attestations of keys, offline, for somebody who trusts nobody but the roots that they
//! pinned.
//!
//! The judging is `attestamp_attestation::judge`'s, and that of a token `attestamp_tsa::verify`'s; here are the files, the
//! options and the words. Nothing is fetched. The clock is read for the default of `--at` and for nothing else. Three ends, so
//! that scripts need not read text: 0, everything asked for holds; 1, something does not; 2, it could not be judged, because
//! a file or an option is not usable, or something is not known to this version.

mod inputs;
mod report;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use attestamp_attestation::bundle::BundleInvalid;
use attestamp_attestation::{Bundle, Judgement, Nonce, Question, TokenSigner, Verdict, judge};
use attestamp_certs::{CertificateDer, TrustAnchors, UnixTime};
use attestamp_tsa::verify::{
    Expectations, ExpectedImprint, ExpectedNonce, SignedToken, TokenInvalid, UnverifiedToken, VerifiedToken,
};
use clap::Args;

use crate::cli::text::printable;
use crate::cli::verify::inputs::parse_time;
use crate::clock;

/// Exit code of a bundle that does not hold.
const DOES_NOT_HOLD: u8 = 1;
/// Exit code where nothing could be judged.
const NOT_JUDGED: u8 = 2;

/// Options of `attest verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  attestamp attest verify attestation-bundle.tar --root device-root.pem
  attestamp attest verify attestation-bundle.tar --root device-root.pem --root pq-device-root.pem --nonce $NONCE
  attestamp attest verify attestation-bundle.tar --root device-root.pem --token FILE.tsr
  attestamp attest verify fresh.pem --root device-root.pem --nonce $NONCE --json
  attestamp attest verify FOLDER --root device-root.pem --vendor-root yubico.pem --require-device-signed

Claims that are hostAsserted are as good as the word of whoever runs the server: every line says on whose word it rests.

Exit code: 0 everything asked for holds, 1 something does not, 2 it could not be judged.")]
pub struct VerifyArgs {
    /// The bundle: the archive, the folder that it was unpacked in, or one PEM file with an attestation and its chain; `-` for
    /// the standard input
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// The device's root in PEM, as you had it from somebody whom you trust, and not from the server. Give one for each chain
    /// that you want looked at; each must hold
    #[arg(long, value_name = "FILE", required = true)]
    root: Vec<PathBuf>,
    /// The nonce that you asked for: 16 to 64 octets in hexadecimal. Without one the answer is "not fresh"
    #[arg(long, value_name = "HEX", value_parser = super::nonce)]
    nonce: Option<Nonce>,
    /// Judge the key of this name alone
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// A timestamp, response or bare token: its signature must hold, and the key that made it must be attested
    #[arg(long, value_name = "FILE.tsr")]
    token: Option<PathBuf>,
    /// The certificate of a TSU in PEM: its key must be attested. With --token also the certificate to verify that with
    #[arg(long, value_name = "FILE")]
    tsu_certificate: Option<PathBuf>,
    /// Trusted roots of the TSA in PEM: verify the token's chain up to them too
    #[arg(long, value_name = "FILE", requires = "token")]
    ca: Vec<PathBuf>,
    /// The root of the device's vendor in PEM: verify the vendor's evidence up to it. Every key must have such evidence
    #[arg(long, value_name = "FILE")]
    vendor_root: Vec<PathBuf>,
    /// Take nothing but a device's word: every key must be deviceSigned, by evidence that leads to a root of --vendor-root
    #[arg(long, requires = "vendor_root")]
    require_device_signed: bool,
    /// Judge validity at this time [default: now]; RFC 3339, or a date (its first second, UTC)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Everything that was read from files and options.
struct Inputs {
    bundle: Result<Bundle, BundleInvalid>,
    question: Question,
    tsu_certificate: Vec<CertificateDer<'static>>,
    token: Option<Vec<u8>>,
    anchors: Option<TrustAnchors>,
    /// Where `--at` was given.
    at: Option<UnixTime>,
}

/// What was found.
struct Answer {
    judgement: Result<Judgement, BundleInvalid>,
    token: Option<TokenFinding>,
    at: UnixTime,
    is_at_given: bool,
}

/// What was found of a token.
struct TokenFinding {
    /// Who signed it, if its signature holds.
    signed: Result<SignedToken, TokenInvalid>,
    /// Its chain, if roots of a TSA are given.
    chain: Option<Result<Box<VerifiedToken>, TokenInvalid>>,
}

/// Judges the bundle and prints the verdict.
///
/// # Errors
/// Where the verdict cannot be printed. What stands in the way of a verdict is printed, and is exit code 2.
pub(super) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let answer = match Inputs::read(args) {
        Ok(inputs) => inputs.answer(),
        Err(error) => {
            // Names of files in an unpacked bundle are a stranger's.
            let error = printable(&format!("{error:#}"));
            writeln!(std::io::stderr(), "attestamp: the attestation could not be judged: {error}")?;
            return Ok(ExitCode::from(NOT_JUDGED));
        }
    };
    let code = match answer.verdict() {
        Verdict::Holds => ExitCode::SUCCESS,
        Verdict::DoesNotHold => ExitCode::from(DOES_NOT_HOLD),
        Verdict::NotJudged => ExitCode::from(NOT_JUDGED),
    };
    let mut out = std::io::stdout().lock();
    match report::print(&mut out, &answer, args.json).and_then(|()| out.flush()) {
        // `attest verify … | head`: the verdict is the exit code's, whoever stops reading.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(code),
    }
}

/// Prints what a bundle says, held against these roots, as `attest show` does.
pub(super) fn show(bundle: Bundle, question: Question, is_json: bool) -> anyhow::Result<()> {
    let inputs = Inputs {
        bundle: Ok(bundle),
        question,
        tsu_certificate: Vec::new(),
        token: None,
        anchors: None,
        at: None,
    };
    match report::print(&mut std::io::stdout().lock(), &inputs.answer(), is_json) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Inputs {
    fn read(args: &VerifyArgs) -> anyhow::Result<Self> {
        let tsu_certificate = match &args.tsu_certificate {
            Some(path) => inputs::read_certificate_file(path)?,
            None => Vec::new(),
        };
        let tsu_spki_der = match tsu_certificate.first() {
            Some(first) => Some(inputs::tsu_key(first)?),
            None => None,
        };
        Ok(Self {
            question: Question {
                roots: inputs::read_roots(&args.root)?,
                nonce: args.nonce.clone(),
                at: args.at.unwrap_or_else(clock::system_time),
                key: args.key.clone(),
                tsu_spki_der,
                token: None,
                vendor_roots: inputs::read_vendor_roots(&args.vendor_root)?,
                require_device_signed: args.require_device_signed,
            },
            tsu_certificate,
            token: args.token.as_deref().map(inputs::read_token).transpose()?,
            anchors: inputs::read_anchors(&args.ca)?,
            at: args.at,
            // Last, because it may be the standard input.
            bundle: inputs::read_bundle(&args.bundle)?,
        })
    }

    fn answer(self) -> Answer {
        let token = self.token.as_deref().map(|octets| self.judge_token(octets));
        let mut question = self.question;
        question.token = token.as_ref().and_then(TokenFinding::signer);
        let judgement = self.bundle.map(|bundle| judge(&bundle, &question));
        Answer { judgement, token, at: question.at, is_at_given: self.at.is_some() }
    }

    fn judge_token(&self, octets: &[u8]) -> TokenFinding {
        let token = match UnverifiedToken::parse(octets) {
            Ok(token) => token,
            Err(error) => return TokenFinding { signed: Err(error), chain: None },
        };
        let of_bundle: Vec<CertificateDer<'_>> = match &self.bundle {
            Ok(bundle) => bundle.keys().filter_map(|key| bundle.tsu_chain(key)).flatten().cloned().collect(),
            Err(_) => Vec::new(),
        };
        let certificates = [&self.tsu_certificate[..], &of_bundle].concat();
        // The token's own first: another of the same name beside it would make it ambiguous.
        let mut signed = token.verify_signature(&[]);
        for given in [&self.tsu_certificate, &certificates] {
            if matches!(signed, Err(TokenInvalid::SignerCertificateMissing)) {
                signed = token.verify_signature(given);
            }
        }
        let chain = match (&self.anchors, &signed) {
            (Some(anchors), Ok(signed)) => {
                let expected = Expectations {
                    // What was stamped is not asked here.
                    imprint: ExpectedImprint::Digest(&signed.hashed_message),
                    nonce: ExpectedNonce::Any,
                    policy: None,
                    anchors,
                    certificates: &certificates,
                    crls: &[],
                    at: self.at,
                };
                Some(token.verify(&expected).map(Box::new))
            }
            (None, _) | (_, Err(_)) => None,
        };
        TokenFinding { signed, chain }
    }
}

impl Answer {
    /// The worse of the bundle's and the token's.
    fn verdict(&self) -> Verdict {
        let bundle = match &self.judgement {
            Ok(judgement) => judgement.verdict,
            // What could not be read at all was an error of `Inputs::read`.
            Err(_) => Verdict::DoesNotHold,
        };
        bundle.and(self.token.as_ref().map_or(Verdict::Holds, TokenFinding::verdict))
    }
}

impl TokenFinding {
    fn verdict(&self) -> Verdict {
        match (&self.signed, &self.chain) {
            (Err(TokenInvalid::SignerCertificateMissing), _) => Verdict::NotJudged,
            (Err(_), _) | (_, Some(Err(_))) => Verdict::DoesNotHold,
            (Ok(_), None | Some(Ok(_))) => Verdict::Holds,
        }
    }

    fn signer(&self) -> Option<TokenSigner> {
        let signed = self.signed.as_ref().ok()?;
        let spki_der = signed.certificate.spki_der().to_vec();
        Some(TokenSigner { spki_der, gen_time: signed.gen_time.unix_time() })
    }
}

#[cfg(test)]
mod tests;
