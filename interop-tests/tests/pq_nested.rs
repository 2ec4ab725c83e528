//! A post-quantum token over the signature of a classical one: clients of today verify the outer token as before, and the
//! inner one stands on its own.

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::der::Value;
use attestamp_interop_tests::request::{self, Request};
use attestamp_interop_tests::signer_info::{SignerInfo, granting};
use attestamp_interop_tests::stamped::{Parts, Stamped};
use attestamp_interop_tests::tools::OPENSSL;
use attestamp_interop_tests::{bouncy_castle, modern_openssl, nested, reply};
use sha2::{Digest, Sha256, Sha512};

/// Options of `attestamp verify` for the inner token.
const BOTH: [&str; 3] = ["--ca", "pq-root.pem", "--require-post-quantum"];

fn nesting() -> Result<(DataFolder, Authority)> {
    let folder = DataFolder::initialised_with(&["--tsu", "default:p-256", "--tsu", "pq:ml-dsa-65"])?;
    nested::configure(&folder)?;
    let authority = folder.serve()?;
    folder.write("pq-root.pem", authority.fetch("/pki/pq-root.pem")?)?;
    Ok((folder, authority))
}

fn stamp(folder: &DataFolder, authority: &Authority) -> Result<Stamped> {
    Stamped::by(folder, authority, "default", "/pki/root.pem")
}

/// The timestamp with another token, under another name.
fn with_token(stamped: &Stamped, name: &str, token: &[u8]) -> Result<Stamped> {
    let read = |file: String| std::fs::read(stamped.folder().join(file));
    let parts = Parts {
        request: read(stamped.request())?,
        reply: granting(token),
        certificate: read(stamped.certificate())?,
        root: read(stamped.root())?,
    };
    Stamped::of_parts(stamped.folder(), name, &parts)
}

#[test]
fn todays_openssl_accepts_the_outer_token_and_newer_verifiers_both() -> Result<()> {
    let (folder, authority) = nesting()?;
    let outer = stamp(&folder, &authority)?;
    let certificate = authority.fetch("/tsa/pq/certificate.pem")?;
    let inner = nested::inner_stamped(&outer, certificate, authority.fetch("/pki/pq-root.pem")?)?;

    // The inner token is one over the outer signature's value (RFC 3161 appendix A).
    let signature = SignerInfo::of_token(&outer.granted()?.token)?.signature;
    let imprint = inner.granted()?.message_imprint;
    let imprint = Value::read(&imprint)?.child(1)?.content;
    ensure!(
        imprint == Sha512::digest(&signature).as_slice() || imprint == Sha256::digest(&signature).as_slice(),
        "the inner messageImprint {imprint:02x?} is not a hash of the outer signature"
    );

    modern_openssl::ts_verdict(OPENSSL, &outer)?.accepted().context("openssl ts -verify")?;
    modern_openssl::cms_verdict(&outer)?.accepted().context("openssl cms -verify, outer")?;
    modern_openssl::cms_verdict(&inner)?.accepted().context("openssl cms -verify, inner")?;
    let both = bouncy_castle::verdicts(&[&outer, &inner])?;
    for (which, verdict) in ["outer", "inner"].iter().zip(both) {
        verdict.accepted().with_context(|| format!("BouncyCastle, {which}"))?;
    }
    outer.own_verdict(&BOTH)?.accepted().context("attestamp verify")?;
    Ok(())
}

#[test]
fn an_inner_token_of_another_outer_token_is_refused() -> Result<()> {
    let (folder, authority) = nesting()?;
    let first = stamp(&folder, &authority)?.granted()?;
    let second = stamp(&folder, &authority)?;
    let swapped = nested::with_inner(&second.granted()?, &[&nested::inner(&first)?])?;
    let swapped = with_token(&second, "swapped", &swapped)?;
    // Who does not look inside sees nothing wrong.
    modern_openssl::ts_verdict(OPENSSL, &swapped)?.accepted()?;
    let reason = swapped.own_verdict(&BOTH)?;
    let reason = reason.refused()?;
    ensure!(reason.contains("the nested token is one of another token"), "{reason}");
    Ok(())
}

#[test]
fn a_stripped_or_changed_inner_token_is_refused() -> Result<()> {
    let (folder, authority) = nesting()?;
    let stamped = stamp(&folder, &authority)?;
    let outer = stamped.granted()?;
    let inner = nested::inner(&outer)?;

    let stripped = with_token(&stamped, "stripped", &nested::with_inner(&outer, &[])?)?;
    stripped.own_verdict(&[])?.accepted()?;
    let reason = stripped.own_verdict(&BOTH)?;
    ensure!(reason.refused()?.contains("a post-quantum signature is required"), "{reason:?}");

    let mut signer = SignerInfo::of_token(&inner)?;
    let middle = signer.signature.len() / 2;
    *signer.signature.get_mut(middle).context("an empty signature")? ^= 0x01;
    let changed = nested::with_inner(&outer, &[&signer.put_into(&inner)?])?;
    let changed = with_token(&stamped, "changed", &changed)?;
    let reason = changed.own_verdict(&BOTH)?;
    let reason = reason.refused()?;
    ensure!(reason.contains("the nested token") && reason.contains("does not hold"), "{reason}");
    ensure!(reason.contains("does not verify in pure mode"), "{reason}");
    Ok(())
}

#[test]
fn a_classical_token_inside_is_no_post_quantum_one() -> Result<()> {
    let (folder, authority) = nesting()?;
    let stamped = stamp(&folder, &authority)?;
    let outer = stamped.granted()?;
    // Anybody can ask for a token over a signature; here of a TSU that is as forgeable as the outer one.
    let signature = SignerInfo::of_token(&outer.token)?.signature;
    let over_signature =
        Request { nonce: Vec::new(), cert_req: request::cert_req(), ..Request::of(&signature)? };
    let classical = reply::granted(&authority.post("/tsa/default", &over_signature.encoded())?)?;
    let token = nested::with_inner(&outer, &[&classical.token])?;
    let token = with_token(&stamped, "classical-inside", &token)?;
    token.own_verdict(&[])?.accepted()?;
    let reason = token.own_verdict(&BOTH)?;
    ensure!(reason.refused()?.contains("a post-quantum signature is required"), "{reason:?}");
    Ok(())
}
