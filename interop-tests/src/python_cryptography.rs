//! Python's `cryptography`, through `python/verify_signatures.py`: the raw signature over the signed attributes.
//!
//! It has no CMS for this, so what is signed is taken out of the token here, by the tests' own [`crate::der`].

use anyhow::{Result, ensure};

use crate::signer_info::SignerInfo;
use crate::stamped::Stamped;
use crate::verifiers::{self, Verdict};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/verify_signatures.py");

/// The verdict on the signature of each, in their order. All lie in one folder.
///
/// # Errors
/// When Python's cryptography is not there, or a token cannot be taken apart.
pub fn verdicts(timestamps: &[&Stamped]) -> Result<Vec<Verdict>> {
    let Some(first) = timestamps.first() else { return Ok(Vec::new()) };
    let mut arguments = vec![PROGRAM.to_owned()];
    for stamped in timestamps {
        let signer = SignerInfo::of_token(&stamped.granted()?.token)?;
        let attributes = stamped.write("attributes", &signer.signed_attributes)?;
        let signature = stamped.write("signature", &signer.signature)?;
        arguments.extend([attributes, signature, stamped.certificate(), signer.hash_name()?.to_owned()]);
    }
    let finished = verifiers::tool("python/bin/python")?.run(first.folder(), &arguments)?;
    let verdicts = finished.stdout.lines().map(Verdict::read).collect::<Result<Vec<_>>>()?;
    ensure!(verdicts.len() == timestamps.len(), "{} verdicts wanted: {finished}", timestamps.len());
    Ok(verdicts)
}
