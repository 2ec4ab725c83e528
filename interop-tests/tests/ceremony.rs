//! Key ceremonies from the sample plan, checked with the commands that `docs/ceremony.md` prints, as it prints them.
//!
//! The openssl of the machine verifies the classical signature, OpenSSL 3.5 or later the post-quantum one. What a transcript
//! says is held against the files, the certificates and the token by tools that did not write it.

use std::ffi::{OsStr, OsString};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::document::{Document, Openssl};
use attestamp_interop_tests::modern_openssl;
use attestamp_interop_tests::tools::{Finished, OPENSSL, PKCS11_TOOL};
use base64ct::{Base64, Encoding as _};
use serde_json::Value;
use sha2::{Digest, Sha256, Sha512};

const DOCUMENT: Document =
    Document { path: "docs/ceremony.md", text: include_str!("../../docs/ceremony.md") };
const SAMPLE: &str = include_str!("../../docs/ceremony-plan.toml");
const PIN: &str = "softhsm-user-pin";
const SO_PIN: &str = "softhsm-so-pin";

/// A folder in which a ceremony takes place: `work` is where the two people stand.
struct Room {
    folder: DataFolder,
    softhsm_configuration: Option<OsString>,
}

impl Room {
    fn with_plan(plan: &str) -> Result<Self> {
        let folder = DataFolder::empty()?;
        folder.write("ceremony-plan.toml", plan)?;
        Ok(Self { folder, softhsm_configuration: None })
    }

    /// With a token `tsa` in SoftHSM2, made by the document's command, and named by the plan.
    fn on_softhsm(plan: &str) -> Result<Self> {
        let mut room = Self::with_plan("")?;
        let work = room.folder.work();
        std::fs::create_dir(work.join("tokens"))?;
        let configuration = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            work.join("tokens").display()
        );
        let configuration = room.folder.write("softhsm2.conf", configuration)?;
        room.folder.set_variable("SOFTHSM2_CONF", &configuration);
        room.softhsm_configuration = Some(configuration.into_os_string());
        for (name, pin) in [("pin", PIN), ("so-pin", SO_PIN)] {
            std::fs::set_permissions(room.folder.write(name, pin)?, Permissions::from_mode(0o600))?;
        }
        room.folder.write("ceremony-plan.toml", room.naming_softhsm(plan)?)?;
        room.sh("softhsm")?.succeeded()?;
        Ok(room)
    }

    /// The plan with the lines that are there for an HSM.
    fn naming_softhsm(&self, plan: &str) -> Result<String> {
        let pin = self.folder.work().join("pin");
        let uncommented: Vec<_> = plan.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect();
        let plan = uncommented.join("\n") + "\n";
        ensure!(plan.contains("\n[token]\n"), "the sample has no [token]: {plan}");
        Ok(plan
            .replace("/usr/lib/softhsm/libsofthsm2.so", &softhsm_module()?.to_string_lossy())
            .replace("/etc/attestamp/pin", &pin.to_string_lossy()))
    }

    /// Runs the block of the document that has this mark, with the machine's own openssl.
    fn sh(&self, mark: &str) -> Result<Finished> {
        self.bash(mark, Openssl::OfMachine)
    }

    /// [`Room::sh`] with OpenSSL 3.5 or later as `openssl`.
    fn modern_sh(&self, mark: &str) -> Result<Finished> {
        self.bash(&format!("{mark}, OpenSSL 3.5"), Openssl::Modern)
    }

    fn bash(&self, mark: &str, openssl: Openssl) -> Result<Finished> {
        let data = self.folder.path();
        let mut variables: Vec<(&str, &OsStr)> = vec![("DATA", data.as_os_str())];
        if let Some(configuration) = &self.softhsm_configuration {
            variables.push(("SOFTHSM2_CONF", configuration));
        }
        DOCUMENT.run(&self.folder.work(), &[mark], openssl, &variables)
    }

    /// Holds the ceremony of the plan, and gives the transcript.
    fn hold(&self) -> Result<(Finished, Value)> {
        let said = self.sh("run")?.succeeded()?;
        let text = std::fs::read_to_string(self.in_data("ceremony/transcript.json"))?;
        Ok((said, serde_json::from_str(&text)?))
    }

    fn in_data(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Labels of the objects in the SoftHSM2 token.
    fn labels(&self) -> Result<Vec<String>> {
        let configuration = self.softhsm_configuration.as_deref().context("there is no SoftHSM2")?;
        #[rustfmt::skip]
        let listed = PKCS11_TOOL.run_with(&self.folder.work(), &[
            "--module", &softhsm_module()?.to_string_lossy(), "--login", "--pin", PIN, "--list-objects",
        ], &[("SOFTHSM2_CONF", configuration)])?.succeeded()?;
        let labels = listed.stdout.lines().filter_map(|line| line.trim().strip_prefix("label:"));
        Ok(labels.map(|label| label.trim().to_owned()).collect())
    }

    /// The public key of the `number`-th certificate of a file, from 1, as openssl writes it.
    fn public_key(&self, file: &str, number: usize) -> Result<String> {
        let text = std::fs::read_to_string(self.in_data(file))?;
        let certificate = text.split_inclusive("-----END CERTIFICATE-----\n").nth(number - 1);
        let certificate =
            certificate.with_context(|| format!("{file} has less than {number} certificates"))?;
        let path = self.folder.write("one.pem", certificate)?;
        let shown =
            [OsStr::new("x509"), "-noout".as_ref(), "-pubkey".as_ref(), "-in".as_ref(), path.as_os_str()];
        Ok(modern_openssl::run(&self.folder.work(), &shown)?.succeeded()?.stdout)
    }
}

fn softhsm_module() -> Result<&'static Path> {
    ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"]
        .map(Path::new)
        .into_iter()
        .find(|path| path.is_file())
        .context("libsofthsm2.so is not installed: install the Debian package softhsm2")
}

/// The sample without the TSU that SoftHSM2 has no mechanism for.
fn classical_sample() -> Result<String> {
    let end = SAMPLE.find("# Leave this one out").context("the sample has no such line")?;
    Ok(SAMPLE.get(..end).unwrap_or_default().to_owned())
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().with_context(|| format!("there is no {key} in {value}"))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value]> {
    value[key].as_array().map(Vec::as_slice).with_context(|| format!("there is no list {key}"))
}

fn sha512_of(path: &Path) -> Result<String> {
    let content = std::fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
    Ok(Sha512::digest(content).iter().map(|octet| format!("{octet:02x}")).collect())
}

/// Where the certificate with a key's public half is: a file, and which certificate of it.
fn certificate_of(label: &str) -> Result<(String, usize)> {
    let office = label.strip_prefix("attestamp ").with_context(|| format!("whose key is {label}?"))?;
    let (prefix, role) = office.strip_prefix("pq-").map_or(("", office), |role| ("pq-", role));
    Ok(match (office.strip_prefix("tsu "), role) {
        (Some(tsu), _) => (format!("certs/tsu/{tsu}.pem"), 1),
        (None, "device-root") => (format!("certs/attestation/{prefix}device-root.pem"), 1),
        (None, "device") => (format!("certs/attestation/{prefix}chain.pem"), 2),
        (None, "attestation") => (format!("certs/attestation/{prefix}chain.pem"), 1),
        (None, _) => (format!("certs/ca/{office}.pem"), 1),
    })
}

/// The ledger's keys have no certificate: their public halves are verifier keys, `name+id+base64(type || key)`.
fn check_ledger_key(room: &Room, label: &str, pem: &str) -> Result<()> {
    let path = room.in_data("certs/ledger/keys.txt");
    let keys = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let kind = if label.contains("pq-") { 6 } else { 1 };
    let (_, spki) = der::pem::decode_vec(pem.as_bytes()).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut of_kind = keys.lines().filter_map(|line| {
        // Base64 has plus signs of its own.
        let octets = Base64::decode_vec(line.splitn(3, '+').nth(2)?).ok()?;
        octets.strip_prefix(&[kind]).map(<[u8]>::to_vec)
    });
    let raw = of_kind.next().with_context(|| format!("{keys} has no key of type {kind}"))?;
    ensure!(spki.ends_with(&raw) && raw.len() >= 32, "{label} is not the key in {keys}");
    Ok(())
}

fn check_transcript(room: &Room, transcript: &Value, labels: &[&str]) -> Result<()> {
    let mut made = Vec::new();
    for key in list(transcript, "keys")? {
        let label = text(key, "label")?;
        if label.ends_with("ledger") {
            check_ledger_key(room, label, text(key, "publicKey")?)?;
        } else {
            let (file, number) = certificate_of(label)?;
            ensure!(
                text(key, "publicKey")? == room.public_key(&file, number)?,
                "{label} is not the key of {file}"
            );
        }
        ensure!(list(key, "shortcomings")?.is_empty(), "{key}");
        for (flag, value) in [("CKA_LOCAL", true), ("CKA_EXTRACTABLE", false), ("CKA_SENSITIVE", true)] {
            ensure!(key.pointer(&format!("/attributes/{flag}")) == Some(&Value::Bool(value)), "{key}");
        }
        let destroyed = label.ends_with("device-root").then_some("C_DestroyObject");
        ensure!(key["destroyedBy"].as_str() == destroyed, "{key}");
        made.push(label);
    }
    made.sort_unstable();
    ensure!(made == labels, "made: {made:?}");

    let mut hashed = Vec::new();
    for file in list(transcript, "files")? {
        let path = text(file, "path")?;
        ensure!(text(file, "sha512")? == sha512_of(&room.in_data(path))?, "{path} has another hash");
        if let Some(content) = file["text"].as_str() {
            ensure!(content.as_bytes() == std::fs::read(room.in_data(path))?, "{path} has another text");
        }
        hashed.push(path);
    }
    for path in [
        "attestamp.toml",
        "certs/attestation/keys/default.pem",
        "certs/attestation/device-root.pem",
        "certs/ca/root.crl",
    ] {
        ensure!(hashed.contains(&path), "{path} is not in the transcript");
    }
    Ok(())
}

/// All that the ceremony has written and said, without the PINs.
fn check_no_secret(room: &Room, said: &Finished, pins: &[String]) -> Result<()> {
    let mut texts = vec![said.to_string().into_bytes()];
    for entry in std::fs::read_dir(room.in_data("ceremony"))? {
        texts.push(std::fs::read(entry?.path())?);
    }
    ensure!(texts.len() >= 4, "there are {} texts", texts.len());
    for pin in pins {
        ensure!(pin.len() >= 8);
        let pin = pin.as_bytes();
        ensure!(!texts.iter().any(|text| text.windows(pin.len()).any(|part| part == pin)), "a PIN is in it");
    }
    Ok(())
}

#[test]
fn a_ceremony_on_the_embedded_token_holds_as_the_document_checks_it() -> Result<()> {
    let room = Room::with_plan(SAMPLE)?;
    let program = room.sh("program")?.succeeded()?.said("attestamp ")?;
    let plan = room.sh("plan")?.succeeded()?;
    let (said, transcript) = room.hold()?;

    let hash_in = |finished: &Finished| {
        finished.stdout.lines().last().unwrap_or_default().split(' ').next().map(str::to_owned)
    };
    let plan_hash = hash_in(&plan).context("no hash")?;
    ensure!(said.stderr.contains(&plan_hash) && text(&transcript["plan"], "sha512")? == plan_hash);
    ensure!(text(&transcript["plan"], "text")? == SAMPLE);
    ensure!(Some(text(&transcript["program"], "sha512")?.to_owned()) == hash_in(&program), "{program}");
    ensure!(
        transcript["participants"][1]["role"] == "witness" && transcript["token"]["module"] == "embedded"
    );
    ensure!(list(&transcript, "keysBefore")?.is_empty());
    is_on_record(&room)?;
    #[rustfmt::skip]
    check_transcript(&room, &transcript, &[
        "attestamp attestation", "attestamp device", "attestamp device-root", "attestamp ledger", "attestamp pq-attestation",
        "attestamp pq-device", "attestamp pq-device-root", "attestamp pq-ledger", "attestamp pq-root", "attestamp pq-tsa-ca", "attestamp root",
        "attestamp rsa-root", "attestamp rsa-tsa-ca", "attestamp tsa-ca", "attestamp tsu default", "attestamp tsu pq",
        "attestamp tsu rsa",
    ])?;

    let signed = room.sh("transcript")?.succeeded()?.said("Verified OK")?;
    let transcript_hash = signed.stdout.split(' ').next().unwrap_or_default();
    ensure!(transcript_hash.len() == 128 && said.stderr.contains(transcript_hash), "{said}");
    room.modern_sh("transcript")?.succeeded()?.said("Signature Verified Successfully")?;
    for chain in [room.sh("chain")?, room.modern_sh("chain")?] {
        let chain = chain.succeeded()?.said(": OK")?;
        let fingerprint = chain.stdout.lines().find_map(|line| line.split_once("ingerprint="));
        let (_, fingerprint) = fingerprint.context("no fingerprint")?;
        ensure!(fingerprint.len() == 95 && said.stderr.contains(fingerprint), "{chain}\n{said}");
    }
    let files = room.sh("files")?.succeeded()?;
    ensure!(files.stdout.is_empty(), "{files}");
    let keys = room.sh("keys")?.succeeded()?.said("0 signing keys were there before")?;
    ensure!(
        keys.stdout
            .contains("attestamp device-root p-384 C_GenerateKeyPair(CKM_EC_KEY_PAIR_GEN) C_DestroyObject\n"),
        "{keys}"
    );
    let pins: Result<Vec<_>, _> = ["token/pin", "token/so-pin"]
        .iter()
        .map(|name| std::fs::read_to_string(room.in_data(name)))
        .collect();
    check_no_secret(&room, &said, &pins?.iter().map(|pin| pin.trim().to_owned()).collect::<Vec<_>>())
}

#[test]
fn a_transcript_that_was_changed_is_found_out() -> Result<()> {
    let room = Room::with_plan(SAMPLE)?;
    room.hold()?;
    let path = room.in_data("ceremony/transcript.json");
    let honest = std::fs::read_to_string(&path)?;
    std::fs::write(&path, honest.replacen("Wim Janssens", "Wim Janssen", 1))?;
    room.sh("transcript")?.failed()?.did_not_say("Verified OK")?;
    room.modern_sh("transcript")?.failed()?.did_not_say("Signature Verified Successfully")?;
    std::fs::write(&path, honest)?;
    room.sh("transcript")?.succeeded()?;
    // Another key beside it: the signature holds, and the key is not the device's.
    let other = Room::with_plan(SAMPLE)?;
    other.hold()?;
    std::fs::copy(other.in_data("ceremony/device-key.pem"), room.in_data("ceremony/device-key.pem"))?;
    room.sh("chain")?.failed()?.said("differ")?;
    std::fs::write(room.in_data("certs/tsu/default.pem"), "another")?;
    room.sh("files")?.failed()?.said("certs/tsu/default.pem: FAILED")?;
    Ok(())
}

/// E8: the ledger begins with the plan, who approved it, and every key, the destroyed one twice.
fn is_on_record(room: &Room) -> Result<()> {
    let entries = std::fs::read(room.in_data("ledger/segments/00000001/entries"))?;
    let times = |wanted: &[u8]| entries.windows(wanted.len()).filter(|found| *found == wanted).count();
    ensure!(times(&Sha256::digest(SAMPLE.as_bytes())) == 1, "the plan's hash is not on record");
    ensure!(times(b"Anna Peeters (operator), Wim Janssens (witness)") == 1, "nobody approved it");
    for root in ["attestamp device-root", "attestamp pq-device-root"] {
        ensure!(times(root.as_bytes()) == 2, "{root} was made and destroyed, which is twice");
    }
    ensure!(times(b"destroyed") == 2, "two roots were destroyed");
    Ok(())
}

#[test]
fn a_destroyed_device_root_key_is_in_the_token_no_more() -> Result<()> {
    let room = Room::with_plan(SAMPLE)?;
    let (_, transcript) = room.hold()?;
    let nonce = ["attest", "new", "default", "--nonce", "00112233445566778899aabbccddeeff"];
    room.folder.run(&nonce)?.succeeded()?;
    let id_of = |label: &str| {
        let keys = list(&transcript, "keys")?;
        let key = keys.iter().find(|key| key["label"] == label).with_context(|| format!("no {label}"))?;
        let id =
            text(key, "id")?.as_bytes().chunks(2).map(|pair| Ok(format!("%{}", std::str::from_utf8(pair)?)));
        id.collect::<Result<String>>()
    };
    // The program is made to look for it: with the destroyed key in the place of the attestation key it finds none.
    let configuration = std::fs::read_to_string(room.in_data("attestamp.toml"))?;
    let attestation = id_of("attestamp attestation")?;
    let mut lines = configuration.lines().filter(|line| line.starts_with("key = "));
    let key_line = lines.find(|line| line.to_lowercase().contains(&attestation));
    let key_line = key_line.with_context(|| format!("no attestation key in {configuration}"))?;
    for (label, outcome) in
        [("attestamp root", "is for another key"), ("attestamp device-root", "has no private key")]
    {
        let other = format!("key = \"pkcs11:token=attestamp;id={}\"", id_of(label)?);
        room.folder.edit_configuration(key_line, &other)?;
        room.folder.run(&nonce)?.failed()?.said(outcome)?;
        room.folder.edit_configuration(&other, key_line)?;
    }
    Ok(())
}

#[test]
fn a_ceremony_in_softhsm_has_one_chain_and_destroys_the_root_key() -> Result<()> {
    let room = Room::on_softhsm(&classical_sample()?)?;
    let (said, transcript) = room.hold()?;
    let said = said.said("no post-quantum attestation is made")?.said("CKM_ML_DSA_KEY_PAIR_GEN")?;
    #[rustfmt::skip]
    check_transcript(&room, &transcript, &[
        "attestamp attestation", "attestamp device", "attestamp device-root", "attestamp ledger", "attestamp root", "attestamp rsa-root",
        "attestamp rsa-tsa-ca", "attestamp tsa-ca", "attestamp tsu default", "attestamp tsu rsa",
    ])?;
    ensure!(text(&transcript["token"], "moduleSha512")? == sha512_of(softhsm_module()?)?);
    room.sh("transcript")?.succeeded()?.said("Verified OK")?;
    room.sh("chain")?.succeeded()?.said("keys/default.pem: OK")?;
    room.sh("files")?.succeeded()?;
    ensure!(
        list(&transcript, "signatures")?.len() == 1
            && !room.in_data("ceremony/transcript.json.pq-sig").exists()
    );
    let labels = room.labels()?;
    ensure!(labels.iter().any(|label| label == "attestamp device"), "{labels:?}");
    ensure!(!labels.iter().any(|label| label == "attestamp device-root"), "{labels:?}");
    check_no_secret(&room, &said, &[PIN.to_owned(), SO_PIN.to_owned()])?;

    // A root whose key stays, and the keys that were there before.
    let before = labels.len();
    let kept = classical_sample()?.replace("device-root = \"own-key-destroyed\"", "device-root = \"own\"");
    room.folder.write("ceremony-plan.toml", room.naming_softhsm(&kept)?)?;
    std::fs::rename(room.folder.path(), room.folder.work().join("first"))?;
    let (_, transcript) = room.hold()?;
    ensure!(list(&transcript, "keysBefore")?.len() == 9, "{}", transcript["keysBefore"]);
    ensure!(list(&transcript, "keys")?.iter().all(|key| key.get("destroyedBy").is_none()));
    let labels = room.labels()?;
    ensure!(
        labels.len() > before && labels.iter().any(|label| label == "attestamp device-root"),
        "{labels:?}"
    );
    Ok(())
}

#[test]
fn a_ceremony_that_fails_leaves_nothing() -> Result<()> {
    let room = Room::on_softhsm(SAMPLE)?;
    room.sh("run")?.failed()?.said("nothing was made")?.said("CKM_ML_DSA_KEY_PAIR_GEN")?;
    ensure!(!room.folder.path().exists() && room.labels()?.is_empty());
    // The module's file is there, the PIN is wrong.
    room.folder.write("pin", "another-pin")?;
    room.folder.write("ceremony-plan.toml", room.naming_softhsm(&classical_sample()?)?)?;
    room.sh("run")?.failed()?.said("CKR_PIN_INCORRECT")?.did_not_say("another-pin")?;
    ensure!(!room.folder.path().exists());
    Ok(())
}

#[test]
fn a_folder_that_is_initialised_and_an_option_beside_the_plan_are_refused() -> Result<()> {
    let room = Room::with_plan(SAMPLE)?;
    let plan = room.folder.work().join("ceremony-plan.toml");
    let plan = plan.to_string_lossy();
    room.folder
        .run(&["init", "--ceremony", &plan, "--tsu", "default:p-384"])?
        .failed()?
        .said("cannot be used with")?;
    ensure!(!room.folder.path().exists());
    room.hold()?;
    let transcript = sha512_of(&room.in_data("ceremony/transcript.json"))?;
    room.sh("run")?.failed()?.said("is initialised already")?;
    ensure!(sha512_of(&room.in_data("ceremony/transcript.json"))? == transcript);
    Ok(())
}

#[test]
fn one_person_is_no_ceremony() -> Result<()> {
    let alone = SAMPLE.replace("[[participant]]\nname = \"Wim Janssens\"\nrole = \"witness\"\n", "");
    let twice = SAMPLE.replace("Wim Janssens", "anna  peeters");
    for (plan, why) in [(alone, "nobody is the witness"), (twice, "each is one person")] {
        ensure!(plan != SAMPLE, "the sample has other people");
        let room = Room::with_plan(&plan)?;
        room.sh("run")?.failed()?.said(why)?;
        ensure!(!room.folder.path().exists());
    }
    Ok(())
}

#[test]
fn a_ca_of_the_organisation_signs_the_device_as_the_document_does_it() -> Result<()> {
    let room =
        Room::with_plan(&SAMPLE.replace("device-root = \"own-key-destroyed\"", "device-root = \"request\""))?;
    let (said, transcript) = room.hold()?;
    let said = said.said("attest import")?;
    ensure!(!said.stderr.contains("fingerprint"), "{said}");
    let requests = list(&transcript, "files")?
        .iter()
        .filter(|file| file["path"].as_str().is_some_and(|path| path.ends_with(".csr")));
    ensure!(requests.count() == 2);
    room.sh("transcript")?.succeeded()?.said("Verified OK")?;
    #[rustfmt::skip]
    OPENSSL.run(&room.folder.work(), &[
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
        "-sha384", "-days", "7300", "-subj", "/C=BE/O=Example Ltd/CN=Example Ltd CA",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    ])?.succeeded()?;
    room.sh("request")?.succeeded()?.said("the classical chain is complete")?;
    room.sh("chain")?.succeeded()?.said("keys/default.pem: OK")?;
    #[rustfmt::skip]
    OPENSSL.run(&room.folder.work(), &[
        "verify", "-x509_strict", "-CAfile", "ca.pem", "-untrusted", "../data/certs/attestation/chain.pem",
        "../data/certs/attestation/keys/rsa.pem",
    ])?.succeeded()?.said("OK")?;
    Ok(())
}
