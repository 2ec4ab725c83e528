//! Two thousand tokens over sixteen connections: serials unique, DER canonical, genTime while the client waited.

use std::collections::HashSet;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::connection::Connection;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::reply;
use attestamp_interop_tests::request::{Request, cert_req, integer};
use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::{Decode, Encode};

const CONNECTIONS: u64 = 16;
const REQUESTS_EACH: u64 = 125;

#[expect(clippy::disallowed_methods, reason = "the client's own clock, to hold genTime against")]
fn client_seconds() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?)
}

/// Decoding and re-encoding gives the same bytes: by the RustCrypto types here, by our own reader in `reply::granted`.
fn check_canonical(token: &[u8]) -> Result<()> {
    let content_info = ContentInfo::from_der(token)?;
    ensure!(content_info.to_der()? == token, "ContentInfo is re-encoded otherwise");
    let signed_data_der = content_info.content.to_der()?;
    let signed_data = SignedData::from_der(&signed_data_der)?;
    ensure!(signed_data.to_der()? == signed_data_der, "SignedData is re-encoded otherwise");
    for info in signed_data.signer_infos.0.iter() {
        let attributes = info.signed_attrs.as_ref().context("no signed attributes")?;
        ensure!(der::asn1::SetOfVec::from_der(&attributes.to_der()?)? == *attributes);
    }
    Ok(())
}

/// One connection's share: serial numbers of the tokens.
fn stamp(mut connection: Connection, path: &str, first_nonce: u64) -> Result<Vec<Vec<u8>>> {
    let mut serials = Vec::new();
    for number in first_nonce..first_nonce + REQUESTS_EACH {
        // Eight octets, the first never zero: shortest as it stands.
        let nonce = (0x0100_0000_0000_0000 | number).to_be_bytes();
        let request =
            Request { nonce: integer(&nonce), cert_req: cert_req(), ..Request::of(&number.to_be_bytes())? };
        let before = client_seconds()?;
        let reply = connection.post(path, &request.encoded())?;
        let after = client_seconds()?;
        let granted = reply::granted(&reply)?;
        let gen_time = reply::unix_seconds(&granted.gen_time)?;
        ensure!((before..=after).contains(&gen_time), "genTime {gen_time}, asked in {before}..={after}");
        ensure!(granted.nonce.as_deref() == Some(request.nonce.as_slice()), "another request's nonce");
        ensure!(granted.message_imprint == request.message_imprint, "another request's imprint");
        reply::check_serial(&granted.serial)?;
        check_canonical(&granted.token)?;
        serials.push(granted.serial);
    }
    Ok(serials)
}

fn two_thousand(authority: &Authority, path: &str) -> Result<()> {
    let workers = (0..CONNECTIONS)
        .map(|worker| {
            let connection = authority.connect()?;
            let path = path.to_owned();
            Ok(thread::spawn(move || stamp(connection, &path, worker * REQUESTS_EACH)))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut serials = HashSet::new();
    for worker in workers {
        let of_worker = worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??;
        for serial in of_worker {
            ensure!(serials.insert(serial.clone()), "serial {serial:02x?} twice");
        }
    }
    let expected = usize::try_from(CONNECTIONS * REQUESTS_EACH)?;
    ensure!(serials.len() == expected, "{} serials, {expected} expected", serials.len());
    Ok(())
}

#[test]
fn two_thousand_tokens_over_sixteen_connections() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    two_thousand(&authority, "/tsa")
}

#[test]
fn a_stop_under_load_finishes_what_is_in_flight() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let mut connection = authority.connect()?;
    let (sender, tokens) = std::sync::mpsc::channel();
    // Asks until the connection ends; a reply that was begun must be whole.
    let worker = thread::spawn(move || -> Result<()> {
        let request = Request::of(b"under load")?.encoded();
        while let Ok(reply) = connection.post("/tsa", &request) {
            reply::granted(&reply)?;
            sender.send(())?;
        }
        Ok(())
    });
    for _ in 0..50 {
        tokens.recv()?;
    }
    authority.stop()?;
    // To its end, so that the worker never sends to nobody.
    tokens.iter().for_each(drop);
    worker.join().map_err(|_| anyhow::anyhow!("the worker panicked"))??;
    Ok(())
}
