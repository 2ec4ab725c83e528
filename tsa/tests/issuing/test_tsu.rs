//! A TSU whose key lies in a file: root, sub-CA and leaf by `openssl`, in a folder that goes with the test.

use std::path::PathBuf;
use std::process::Command;

use attestamp_certs::{CertificateDer, SignatureAlgorithm};
use attestamp_tsa::{
    Failure, Profile, ProfileConfig, Serial, SerialPrefix, TimeStampReq, TimeStampResp, TokenTemplate,
    UnsignedToken, UtcInstant,
};

const NOT_HERE: &str = "the openssl of Debian 12 makes no post-quantum keys";
const EXTENSIONS: &str = "
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
extendedKeyUsage = timeStamping
[tsu]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
";

pub(crate) struct TestTsu {
    folder: tempfile::TempDir,
    algorithm: SignatureAlgorithm,
    chain: Vec<CertificateDer<'static>>,
}

impl TestTsu {
    pub(crate) fn new(algorithm: SignatureAlgorithm) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut tsu = Self { folder, algorithm, chain: Vec::new() };
        tsu.write("openssl.cnf", EXTENSIONS.as_bytes());
        for name in ["root", "ca"] {
            tsu.openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key"));
        }
        tsu.openssl(&format!("genpkey {} -out tsu.key", key_options(algorithm)));
        tsu.openssl("req -x509 -new -key root.key -config openssl.cnf -extensions root -days 30 -subj /C=FR/O=Test/CN=Root -out root.pem");
        for (name, issuer, subject) in
            [("ca", "root", "/C=FR/O=Test/CN=Sub"), ("tsu", "ca", "/C=FR/O=Prüfstelle/CN=TSU")]
        {
            tsu.openssl(&format!(
                "req -new -utf8 -key {name}.key -config openssl.cnf -subj {subject} -out {name}.csr"
            ));
            tsu.openssl(&format!(
                "x509 -req -in {name}.csr -CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial \
                 -extfile openssl.cnf -extensions {name} -days 20 -out {name}.pem"
            ));
        }
        for name in ["tsu", "ca", "root"] {
            tsu.openssl(&format!("x509 -in {name}.pem -outform DER -out {name}.der"));
            tsu.chain.push(tsu.read(&format!("{name}.der")).into());
        }
        tsu
    }

    /// Leaf, sub-CA and root.
    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The whole request path: a reply to these octets, whatever they are.
    pub(crate) fn reply(&self, config: &ProfileConfig, request: &[u8]) -> Vec<u8> {
        match self.issue(config, request) {
            Ok(reply) => reply,
            Err(failure) => TimeStampResp::rejection_of(&failure),
        }
    }

    fn issue(&self, config: &ProfileConfig, request: &[u8]) -> Result<Vec<u8>, Failure> {
        let profile = Profile::new(config.clone()).unwrap();
        let template = TokenTemplate::new(&profile, &self.chain, self.algorithm).unwrap();
        let now = UtcInstant::new(1_795_351_623, 120_000_000).unwrap();
        let serial = Serial::new(SerialPrefix::from_random([0x41; 6]), 7, [0xee; 6]);
        let request = TimeStampReq::decode_with(request, config.compatibility)?;
        let grant = profile.decide(&request, now)?;
        let unsigned = UnsignedToken::build(&grant, &template, serial);
        let signature = self.sign(unsigned.to_be_signed());
        Ok(TimeStampResp::granted(unsigned.attach(&signature)))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.write("to-be-signed", message);
        let digest = match self.algorithm {
            SignatureAlgorithm::RsaPkcs1Sha256 | SignatureAlgorithm::EcdsaP256Sha256 => "-digest sha256",
            SignatureAlgorithm::RsaPkcs1Sha384 | SignatureAlgorithm::EcdsaP384Sha384 => "-digest sha384",
            SignatureAlgorithm::RsaPkcs1Sha512 => "-digest sha512",
            SignatureAlgorithm::Ed25519 => "",
            SignatureAlgorithm::MlDsa(_) | SignatureAlgorithm::SlhDsa(_) => panic!("{NOT_HERE}"),
        };
        self.openssl(&format!(
            "pkeyutl -sign -rawin {digest} -inkey tsu.key -in to-be-signed -out signature"
        ));
        self.read("signature")
    }

    /// Runs `openssl` in the folder; it must succeed. Gives its standard output.
    pub(crate) fn openssl(&self, arguments: &str) -> String {
        let (success, output) = self.try_openssl(arguments);
        assert!(success, "openssl {arguments}\n{output}");
        output
    }

    /// Runs `openssl` in the folder: whether it succeeded, and what it said on both streams.
    pub(crate) fn try_openssl(&self, arguments: &str) -> (bool, String) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn key_options(algorithm: SignatureAlgorithm) -> &'static str {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1Sha256
        | SignatureAlgorithm::RsaPkcs1Sha384
        | SignatureAlgorithm::RsaPkcs1Sha512 => "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
        SignatureAlgorithm::EcdsaP256Sha256 => "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        SignatureAlgorithm::EcdsaP384Sha384 => "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
        SignatureAlgorithm::Ed25519 => "-algorithm ED25519",
        SignatureAlgorithm::MlDsa(_) | SignatureAlgorithm::SlhDsa(_) => panic!("{NOT_HERE}"),
    }
}
