//! BouncyCastle, through `java/ValidateTokens.java`: the response against its request, then the token.
//!
//! Java is slow to start, so one start judges many timestamps.

use anyhow::{Result, ensure};

use crate::stamped::Stamped;
use crate::tools::Tool;
use crate::verifiers::{self, Verdict};

const JAVA: Tool = Tool { name: "java", package: "default-jdk-headless" };
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/java/ValidateTokens.java");

/// `TimeStampResponse.validate` and `TimeStampToken.validate` of each, in their order. All lie in one folder.
///
/// # Errors
/// When Java or BouncyCastle is not there.
pub fn verdicts(timestamps: &[&Stamped]) -> Result<Vec<Verdict>> {
    let Some(first) = timestamps.first() else { return Ok(Vec::new()) };
    let jars = ["bcprov", "bcpkix", "bcutil"].map(|jar| {
        verifiers::file(&format!("bouncycastle/{jar}.jar")).map(|path| path.display().to_string())
    });
    let jars = jars.into_iter().collect::<Result<Vec<_>>>()?.join(":");
    let mut arguments = vec!["-cp".to_owned(), jars, PROGRAM.to_owned()];
    for stamped in timestamps {
        arguments.extend([stamped.request(), stamped.reply(), stamped.certificate()]);
    }
    let finished = JAVA.run(first.folder(), &arguments)?;
    let verdicts = finished.stdout.lines().map(Verdict::read).collect::<Result<Vec<_>>>()?;
    ensure!(verdicts.len() == timestamps.len(), "{} verdicts wanted: {finished}", timestamps.len());
    Ok(verdicts)
}
