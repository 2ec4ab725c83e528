//! TLS against a server double: its root must be known, and its HTTP/2 is used.

use super::*;
use crate::client::tls;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Response, Version};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use std::convert::Infallible;
use std::sync::Arc;

/// Answers the HTTP version it was asked in, over TLS; gives its URL and the root that vouches for it.
async fn tls_server() -> (Uri, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let service = service_fn(|request: Request<Incoming>| async move {
                let version: &str = if request.version() == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1" };
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(version.as_bytes()))))
            });
            tokio::spawn(async move {
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _closed = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (url, authority.pem())
}

fn transport(roots: Option<&std::path::Path>) -> Transport {
    let hour = Duration::from_secs(3600);
    Transport::new(tls::client_config(roots).unwrap(), Deadlines { connect: hour, total: hour })
}

#[tokio::test]
async fn a_server_is_reached_over_http2_once_its_root_is_trusted() {
    let (url, root) = tls_server().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), root).unwrap();
    let answer = transport(Some(file.path())).post(&url, Bytes::new()).await.unwrap();
    assert_eq!(answer.body, "HTTP/2");
}

#[tokio::test]
async fn an_unknown_root_is_refused_as_such() {
    let (url, _) = tls_server().await;
    let error = transport(None).post(&url, Bytes::new()).await.unwrap_err();
    let TransportError::Tls { source } = error else { panic!("{error:?}") };
    assert!(format!("{:#}", anyhow::Error::new(source)).contains("UnknownIssuer"));
}
