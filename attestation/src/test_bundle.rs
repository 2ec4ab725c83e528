//! Bundles for this crate's tests: one key, `default`, attested under both chains, with its TSU's certificate.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use attestamp_certs::pem::{PemLabel, to_pem};
use attestamp_certs::{CertificateDer, Issuer, RootParameters, TsuParameters};

use crate::test_chain::{NOW, TestChain, TestKey, YEAR, at, claims, serial, subject, years};
use crate::{Bundle, BundleFile, BundleInvalid, BundlePath, Certificate, ChainKind, Claims, Question};

pub(crate) use ChainKind::{Classical, PostQuantum};

/// Both hierarchies, made once.
pub(crate) fn chain(kind: ChainKind) -> &'static TestChain {
    static BOTH: LazyLock<[TestChain; 2]> = LazyLock::new(TestChain::both);
    match kind {
        Classical => &BOTH[0],
        PostQuantum => &BOTH[1],
    }
}

/// The files of a bundle, to be changed before it is read.
#[derive(Clone)]
pub(crate) struct TestBundle(pub(crate) BTreeMap<String, Vec<u8>>);

impl TestBundle {
    /// What an auditor accepts, under both chains.
    pub(crate) fn new() -> Self {
        let mut bundle = Self::classical();
        bundle.put("pq-chain.pem", &pem(&chain(PostQuantum).chain()));
        bundle.attest("default", PostQuantum, &claims());
        bundle
    }

    /// The same, with the classical chain alone.
    pub(crate) fn classical() -> Self {
        let mut bundle = Self(BTreeMap::new());
        bundle.put("README.txt", b"how to check the rest\n");
        bundle.put("chain.pem", &pem(&chain(Classical).chain()));
        bundle.put("tsu/default.pem", &tsu_certificate(&chain(Classical).attested_key));
        bundle.attest("default", Classical, &claims());
        bundle
    }

    pub(crate) fn put(&mut self, path: &str, content: &[u8]) {
        self.0.insert(path.to_owned(), content.to_vec());
    }

    pub(crate) fn remove(&mut self, path: &str) {
        self.0.remove(path).unwrap();
    }

    /// Puts an attestation with these claims in the key's place.
    pub(crate) fn attest(&mut self, key: &str, kind: ChainKind, claims: &Claims) {
        self.put_attestation(key, kind, &chain(kind).attest(claims));
    }

    /// As [`attest`](Self::attest), under both chains.
    pub(crate) fn attest_both(&mut self, key: &str, claims: &Claims) {
        self.attest(key, Classical, claims);
        self.attest(key, PostQuantum, claims);
    }

    pub(crate) fn put_attestation(&mut self, key: &str, chain: ChainKind, attestation: &Certificate) {
        let path = BundlePath::Attestation { key: key.to_owned(), chain };
        self.put(&path.to_string(), &pem(std::slice::from_ref(attestation)));
    }

    pub(crate) fn files(&self) -> Vec<BundleFile> {
        let file = |(path, content): (&String, &Vec<u8>)| BundleFile {
            path: path.clone(),
            content: content.clone(),
        };
        self.0.iter().map(file).collect()
    }

    /// Through the archive, as an auditor has it.
    pub(crate) fn try_read(&self) -> Result<Bundle, BundleInvalid> {
        Bundle::read(&self.archive())
    }

    pub(crate) fn read(&self) -> Bundle {
        self.try_read().unwrap()
    }

    pub(crate) fn archive(&self) -> Vec<u8> {
        Bundle::to_tar(&self.files(), NOW).unwrap()
    }
}

/// The question of somebody who pinned these roots, a day after [`NOW`].
pub(crate) fn question(roots: &[ChainKind]) -> Question {
    Question {
        roots: roots.iter().map(|kind| chain(*kind).root.clone()).collect(),
        nonce: None,
        at: at(NOW + 86_400),
        key: None,
        tsu_spki_der: None,
        token: None,
        vendor_roots: Vec::new(),
        require_device_signed: false,
    }
}

pub(crate) fn pem(certificates: &[Certificate]) -> Vec<u8> {
    let text: String = certificates.iter().map(|it| to_pem(PemLabel::Certificate, it.der())).collect();
    text.into_bytes()
}

/// A TSU's certificate for this key below a root of P-256, as PEM.
pub(crate) fn tsu_certificate(key: &TestKey) -> Vec<u8> {
    let root_key = TestKey::p256(31);
    let root = attestamp_certs::UnsignedCertificate::root(RootParameters {
        subject: &subject("TSA root"),
        spki_der: &root_key.spki_der,
        signature_algorithm: root_key.algorithm,
        serial: &serial(1),
        validity: years(30),
    })
    .unwrap();
    let root = finish(root, &root_key);
    let tsu = attestamp_certs::UnsignedCertificate::tsu(TsuParameters {
        issuer: &Issuer::from_certificate(&root).unwrap(),
        signature_algorithm: root_key.algorithm,
        subject: &subject("TSU default"),
        spki_der: &key.spki_der,
        serial: &serial(2),
        validity: years(5),
        private_key_usage_not_after: at(NOW + YEAR),
        policies: &[],
        issuer_crl_url: None,
        issuer_certificate_url: None,
    });
    to_pem(PemLabel::Certificate, &finish(tsu.unwrap(), &root_key)).into_bytes()
}

fn finish(unsigned: attestamp_certs::UnsignedCertificate, key: &TestKey) -> CertificateDer<'static> {
    let signature = key.sign(unsigned.to_be_signed());
    unsigned.attach(&signature).unwrap()
}
