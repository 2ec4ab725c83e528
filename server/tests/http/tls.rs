//! TLS: both protocols by ALPN, and a new certificate without a restart.

use std::{fs, path::Path, sync::Arc};

use attestamp::http::{Tls, TlsPaths};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    harness::{Client, GOOD, GRANTED, Harness, Setup, within},
    http2,
};

fn make_identity(folder: &Path) -> TlsPaths {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let paths = TlsPaths { certificate: folder.join("tls.pem"), key: folder.join("tls.key") };
    fs::write(&paths.certificate, made.cert.pem()).unwrap();
    fs::write(&paths.key, made.signing_key.serialize_pem()).unwrap();
    paths
}

async fn connect(server: &Harness, trusted: &Path, protocol: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let socket = within(TcpStream::connect(server.address)).await?;
    let name = ServerName::try_from("localhost").unwrap();
    within(TlsConnector::from(Arc::new(config)).connect(name, socket)).await
}

#[tokio::test]
async fn both_protocols_are_served_by_alpn() {
    let folder = tempfile::tempdir().unwrap();
    let paths = make_identity(folder.path());
    let tls = Some(Tls::load(paths.clone()).unwrap());
    let server = Setup { tls, ..Setup::default() }.start();

    let socket = connect(&server, &paths.certificate, b"http/1.1").await.unwrap();
    assert_eq!(Client::new(socket).ask(GOOD).await.body, GRANTED);

    let socket = connect(&server, &paths.certificate, b"h2").await.unwrap();
    assert_eq!(socket.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let mut client = http2::client(socket).await;
    let response = within(client.send_request(http2::request("POST", "/", "good"))).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_reload_serves_the_new_certificate_and_keeps_connections() {
    let folder = tempfile::tempdir().unwrap();
    let paths = make_identity(folder.path());
    let tls = Tls::load(paths.clone()).unwrap();
    let server = Setup { tls: Some(Arc::clone(&tls)), ..Setup::default() }.start();
    let mut before = Client::new(connect(&server, &paths.certificate, b"http/1.1").await.unwrap());

    make_identity(folder.path());
    assert!(connect(&server, &paths.certificate, b"http/1.1").await.is_err());
    tls.reload().unwrap();
    let mut after = Client::new(connect(&server, &paths.certificate, b"http/1.1").await.unwrap());
    assert_eq!(after.ask(GOOD).await.body, GRANTED);
    assert_eq!(before.ask(GOOD).await.body, GRANTED);
}

#[tokio::test]
async fn stalled_and_plain_handshakes_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let paths = make_identity(folder.path());
    let mut setup = Setup::limits(|limits| limits.header_read = std::time::Duration::from_millis(500));
    setup.tls = Some(Tls::load(paths.clone()).unwrap());
    let server = setup.start();
    let mut silent = server.client().await;
    let mut plain = server.client().await;
    plain.send(GOOD).await;
    // A TLS alert may come first; no HTTP does.
    assert!(!plain.closed().await.starts_with(b"HTTP"));
    assert!(silent.closed().await.is_empty());
    server.until_connections(0).await;
    assert_eq!(server.metric("attestamp_connections_refused_total{reason=\"tls-handshake\"}"), "2");
    let socket = connect(&server, &paths.certificate, b"http/1.1").await.unwrap();
    assert_eq!(Client::new(socket).ask(GOOD).await.body, GRANTED);
}
