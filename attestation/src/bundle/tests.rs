use attestamp_certs::pem::PemInvalid;

use super::limits::{MAX_CHAIN_LENGTH, MAX_FILE_OCTETS, MAX_FILES, MAX_KEYS};
use super::*;
use crate::oid;
use crate::test_bundle::{TestBundle, chain, pem};
use crate::test_chain::claims;
use ChainKind::{Classical, PostQuantum};

fn refused(bundle: &TestBundle) -> BundleInvalid {
    bundle.try_read().unwrap_err()
}

#[test]
fn a_bundle_gives_back_what_was_put_in() {
    let mut files = TestBundle::new();
    files.put("evidence/default/2.25.195043139723147967458054985970204369001.4.1", &[0, 1, 2]);
    files.put("evidence/default/1.2.3", b"other");
    files.put("notes.txt", b"of a later version");
    let bundle = Bundle::from_files(files.files()).unwrap();
    let kinds: Vec<ChainKind> = bundle.chains().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Classical, PostQuantum]);
    for kind in kinds {
        assert_eq!(bundle.chain(kind).unwrap(), chain(kind).chain());
        assert_eq!(bundle.attestation("default", kind), Some(&chain(kind).attest(&claims())));
        assert_eq!(bundle.attestation("other", kind), None);
    }
    assert_eq!(bundle.keys().collect::<Vec<_>>(), ["default"]);
    let tsu = bundle.tsu_certificate("default").unwrap();
    assert_eq!(tsu.spki_der(), chain(Classical).attested_key.spki_der);
    assert_eq!(bundle.tsu_chain("default").unwrap(), [tsu.der().clone()]);
    assert_eq!(bundle.evidence("default", &oid::YUBIHSM2_EVIDENCE), Some(&[0, 1, 2][..]));
    assert_eq!(bundle.evidence("default", &hex_literal::hex!("2a03")), Some(&b"other"[..]));
    assert_eq!(bundle.evidence("default", &hex_literal::hex!("2a04")), None);
    assert_eq!(bundle.evidence_paths_but("default", &[&oid::YUBIHSM2_EVIDENCE]), ["evidence/default/1.2.3"]);
    assert_eq!(bundle.not_looked_at(), ["notes.txt"]);
}

#[test]
fn a_folder_reads_as_its_archive_does_in_any_order() {
    let bundle = TestBundle::new();
    let mut files = bundle.files();
    assert_eq!(Bundle::from_files(files.clone()).unwrap(), bundle.read());
    files.reverse();
    assert_eq!(Bundle::from_files(files).unwrap(), bundle.read());
}

/// D9: unpacked where the auditor's pins lie, an archive must not bring one along, in whatever spelling.
#[test]
fn an_archive_with_a_file_that_is_none_of_a_bundles_is_refused() {
    let good = TestBundle::new();
    for stranger in [
        "device-root.pem",
        "pq-device-root.pem",
        "notes.txt",
        "Chain.pem",
        "CHAIN.PEM",
        "readme.txt",
        "Keys/default.pem",
        "keys/Default.pem",
        "keys/default.PEM",
        "keys/default.pem/x",
        "evidence/default/1.2.3/x",
        "tsu/default.pq.pem",
        "a/b",
    ] {
        let mut files = good.files();
        files.push(BundleFile { path: stranger.to_owned(), content: good.0["chain.pem"].clone() });
        let error = Bundle::read(&archive::write(&files, 0).unwrap()).unwrap_err();
        assert!(matches!(&error, BundleInvalid::NotOfABundle { path, .. } if path == stranger), "{error}");
        assert!(!error.is_unjudgeable());
        // The auditor's own, beside an unpacked bundle.
        let read = Bundle::from_files(files).unwrap();
        assert_eq!(read.not_looked_at(), [stranger]);
    }
    assert!(Bundle::read(&archive::write(&good.files(), 0).unwrap()).is_ok());
}

#[test]
fn a_pem_file_is_an_attestation_and_its_chain() {
    for kind in [Classical, PostQuantum] {
        let attestation = chain(kind).attest(&claims());
        let certificates = [&[attestation.clone()][..], &chain(kind).chain()].concat();
        let text = [b"subject=the attested key\n", &pem(&certificates)[..], b"# the end\n"].concat();
        let bundle = Bundle::read(&text).unwrap();
        assert_eq!(bundle.keys().collect::<Vec<_>>(), [SINGLE_KEY_NAME]);
        assert_eq!(bundle.attestation(SINGLE_KEY_NAME, kind), Some(&attestation));
        let chains: Vec<_> = bundle.chains().collect();
        assert_eq!(chains, [(kind, &chain(kind).chain()[..])]);
    }
    let certificates = [&[chain(Classical).attest(&claims())][..], &chain(Classical).chain()].concat();
    let windows = String::from_utf8(pem(&certificates)).unwrap().replace('\n', "\r\n");
    assert!(Bundle::read(windows.as_bytes()).is_ok());
    let alone = pem(&[chain(Classical).attest(&claims())]);
    let error = Bundle::read(&alone).unwrap_err();
    assert_eq!(error.to_string(), "the PEM file has 1 certificates, 2 to 9 belong there");
    assert!(matches!(Bundle::read(b"").unwrap_err(), BundleInvalid::Pem { .. }));
}

#[test]
fn a_pem_file_of_a_bundle_has_its_certificates_and_nothing_else() {
    let good = TestBundle::new();
    let text = good.0["keys/default.pem"].clone();
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let trusted = String::from_utf8(text.clone()).unwrap().replace("CERTIFICATE", "TRUSTED CERTIFICATE");
    for content in [
        [b"text before\n", &text[..]].concat(),
        [&text[..], b"\n"].concat(),
        text.iter()
            .flat_map(|octet| if *octet == b'\n' { vec![b'\r', b'\n'] } else { vec![*octet] })
            .collect(),
        // What other readers know and this one passes over must not stand before the attestation.
        [trusted.as_bytes(), &text].concat(),
    ] {
        let mut changed = good.clone();
        changed.put("keys/default.pem", &content);
        let error = refused(&changed);
        assert!(
            matches!(&error, BundleInvalid::PemNotPlain { path } if path == "keys/default.pem"),
            "{error}"
        );
    }
    let mut changed = good.clone();
    changed.put("tsu/default.pem", key.as_bytes());
    let error = refused(&changed);
    assert!(matches!(error, BundleInvalid::Pem { source: PemInvalid::UnexpectedSection { .. }, .. }));
}

/// `openssl verify` takes the first certificate that it knows a label of; it must be the one that is judged here.
#[test]
fn a_pem_file_with_a_section_that_another_reader_reads_is_refused() {
    let attestation = String::from_utf8(pem(&[chain(Classical).attest(&claims())])).unwrap();
    let rest = String::from_utf8(pem(&chain(Classical).chain())).unwrap();
    let of = |label: &str| attestation.replace("CERTIFICATE", label);
    let end = attestation.lines().last().unwrap();
    for text in [
        format!("{}{attestation}{rest}", of("TRUSTED CERTIFICATE")),
        format!("{}{attestation}{rest}", of("X509 CERTIFICATE")),
        format!("{}{attestation}{rest}", of("ANYTHING")),
        format!("{attestation}{}{rest}", of("TRUSTED CERTIFICATE")),
        format!("{attestation}{rest}{}", of("TRUSTED CERTIFICATE")),
        format!("a\r{}{attestation}{rest}", of("TRUSTED CERTIFICATE")),
        format!(" {}{attestation}{rest}", of("CERTIFICATE")),
        format!("{end}\n{attestation}{rest}"),
        // One line of base64 for another, and a header.
        format!("{}{rest}", attestation.replacen("\nMI", "\nM\nI", 1)),
        format!("{}{rest}", attestation.replacen("-----\n", "-----\nX: y\n\n", 1)),
    ] {
        let error = Bundle::read(text.as_bytes()).unwrap_err();
        assert!(
            matches!(error, BundleInvalid::SectionsNotPlain | BundleInvalid::Pem { .. }),
            "{error}\n{text}"
        );
    }
    let commented = format!("# {}\n{attestation}\nissuer=\n-- \n{rest}# end", "-".repeat(70));
    assert!(Bundle::read(commented.as_bytes()).is_ok());
}

#[test]
fn certificates_are_counted_and_decoded() {
    let good = TestBundle::new();
    let attestation = chain(Classical).attest(&claims());
    let mut two = good.clone();
    two.put("keys/default.pem", &pem(&[attestation.clone(), chain(Classical).attester.clone()]));
    assert!(matches!(refused(&two), BundleInvalid::CertificateCount { found: 2, least: 1, most: 1, .. }));
    let mut many = good.clone();
    many.put("chain.pem", &pem(&vec![attestation; MAX_CHAIN_LENGTH + 1]));
    assert!(matches!(refused(&many), BundleInvalid::CertificateCount { found: 9, .. }));
    let mut broken = good.clone();
    let section = attestamp_certs::pem::to_pem(attestamp_certs::pem::PemLabel::Certificate, &[0x30, 0]);
    broken.put("keys/default.pem", section.as_bytes());
    assert!(matches!(refused(&broken), BundleInvalid::Certificate { number: 1, .. }));
    broken = good.clone();
    broken.put("tsu/default.pem", section.as_bytes());
    assert!(matches!(refused(&broken), BundleInvalid::TsuCertificate { .. }));
    // A certificate of another kind in the place of a TSU's (D2).
    broken.put("tsu/default.pem", &good.0["keys/default.pem"]);
    assert!(matches!(refused(&broken), BundleInvalid::TsuCertificate { .. }));
}

#[test]
fn an_attestation_in_the_place_of_the_other_chains_is_refused() {
    let mut swapped = TestBundle::new();
    swapped.put("keys/default.pem", &swapped.0["keys/default.pq.pem"].clone());
    let error = refused(&swapped);
    assert_eq!(
        error.to_string(),
        "keys/default.pem is the place of an attestation of the classical chain, and this one is signed with ML-DSA-65"
    );
}

#[test]
fn size_number_and_names_are_bounded() {
    let files = |changes: &[(&str, usize)]| -> Vec<BundleFile> {
        let file = |(path, length): &(&str, usize)| BundleFile {
            path: (*path).to_owned(),
            content: vec![b'x'; *length],
        };
        changes.iter().map(file).collect()
    };
    let from = |changes: &[(&str, usize)]| Bundle::from_files(files(changes)).map(|_| ());
    assert!(from(&[("notes", MAX_FILE_OCTETS)]).is_ok());
    assert!(matches!(from(&[("notes", MAX_FILE_OCTETS + 1)]), Err(BundleInvalid::FileTooLong { .. })));
    let names: Vec<String> = (0..=MAX_FILES).map(|number| number.to_string()).collect();
    let nine: Vec<(&str, usize)> = names[..9].iter().map(|name| (name.as_str(), MAX_FILE_OCTETS)).collect();
    assert!(matches!(from(&nine), Err(BundleInvalid::TooLong { .. })));
    let many: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 0)).collect();
    assert!(matches!(from(&many), Err(BundleInvalid::TooManyFiles { limit: MAX_FILES })));
    let keys: Vec<String> = (0..=MAX_KEYS).map(|number| format!("tsu/{number}.pem")).collect();
    let keys: Vec<(&str, usize)> = keys.iter().map(|path| (path.as_str(), 0)).collect();
    assert!(matches!(from(&keys), Err(BundleInvalid::TooManyKeys { limit: MAX_KEYS })));
    assert!(!matches!(from(&keys[1..]), Err(BundleInvalid::TooManyKeys { .. })));
    assert!(matches!(Bundle::read(&vec![0; MAX_BUNDLE_OCTETS + 1]), Err(BundleInvalid::TooLong { .. })));
    assert!(matches!(from(&[("a", 0), ("a", 1)]), Err(BundleInvalid::Duplicate { .. })));
    for path in ["../chain.pem", "/chain.pem", "keys/../../x", "a\u{1b}[2J"] {
        let error = from(&[(path, 0)]).unwrap_err();
        assert!(matches!(error, BundleInvalid::Path { .. }), "{path:?}: {error}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
}

#[test]
fn only_files_with_a_meaning_are_written() {
    let note = BundleFile { path: "notes.txt".to_owned(), content: Vec::new() };
    assert!(matches!(Bundle::to_tar(&[note], 0), Err(BundleInvalid::NotOfABundle { .. })));
    let twice = vec![BundleFile { path: "chain.pem".to_owned(), content: Vec::new() }; 2];
    assert!(matches!(Bundle::to_tar(&twice, 0), Err(BundleInvalid::Duplicate { .. })));
    let keys = (0..8).map(|number| BundleFile {
        path: format!("keys/{number}.pem"),
        content: vec![b'x'; MAX_FILE_OCTETS],
    });
    // Eight times the limit of a file is the limit of the whole, and there are headers.
    let error = Bundle::to_tar(&keys.collect::<Vec<_>>(), 0).unwrap_err();
    assert!(matches!(error, BundleInvalid::TooLong { .. }), "{error}");
}
