//! A timestamping authority made of the `openssl` command line: root, intermediate, TSU, and `openssl ts -reply`.

use std::path::Path;
use std::process::Command;

use attestamp_certs::TrustAnchors;
use tempfile::TempDir;

/// The data that all tokens here are for.
pub(super) const DATA: &[u8] = b"the data that is stamped\n";

/// How the TSU of a test differs from the plain one.
pub(super) struct Setup {
    /// Arguments of `openssl genpkey` that make the TSU's key.
    pub(super) key: &'static [&'static str],
    /// Lines of the `[tsa]` section beyond the needed ones.
    pub(super) tsa_options: &'static str,
    /// Extensions of the TSU's certificate.
    pub(super) extensions: &'static str,
}

pub(super) const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
pub(super) const P384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
pub(super) const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];

pub(super) const TSU_EXTENSIONS: &str =
    "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\nbasicConstraints=CA:FALSE\n";
const CA_EXTENSIONS: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";

impl Default for Setup {
    fn default() -> Self {
        Self { key: P256, tsa_options: "ess_cert_id_alg = sha256\n", extensions: TSU_EXTENSIONS }
    }
}

/// A running authority, gone with its folder.
pub(super) struct OpenSslTsa {
    folder: TempDir,
}

impl OpenSslTsa {
    pub(super) fn new(setup: &Setup) -> Self {
        let tsa = Self { folder: tempfile::tempdir().unwrap() };
        tsa.write("data", DATA);
        tsa.write("serial", b"1000\n");
        tsa.write("ca.ext", CA_EXTENSIONS.as_bytes());
        tsa.write("sub.ext", format!("{CA_EXTENSIONS}extendedKeyUsage=timeStamping\n").as_bytes());
        tsa.write("tsu.ext", setup.extensions.as_bytes());
        for (name, key) in [("root", P256), ("sub", P256), ("tsu", setup.key)] {
            let pem = format!("{name}.key");
            tsa.openssl(&[&["genpkey", "-out", pem.as_str()], key].concat());
            let request = format!("{name}.csr");
            let subject = format!("/O=Test/CN=Test {name}");
            tsa.openssl(&[
                "req",
                "-new",
                "-config",
                "/dev/null",
                "-key",
                &pem,
                "-subj",
                &subject,
                "-out",
                &request,
            ]);
        }
        let sign = |options: &[&str]| tsa.openssl(&[&["x509", "-req", "-days", "30"], options].concat());
        sign(&["-in", "root.csr", "-signkey", "root.key", "-extfile", "ca.ext", "-out", "root.pem"]);
        let by_root = ["-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "2"];
        sign(&[&["-in", "sub.csr", "-extfile", "sub.ext", "-out", "sub.pem"][..], &by_root].concat());
        let by_sub = ["-CA", "sub.pem", "-CAkey", "sub.key", "-set_serial", "3"];
        sign(&[&["-in", "tsu.csr", "-extfile", "tsu.ext", "-out", "tsu.pem"][..], &by_sub].concat());
        tsa.write("tsa.cnf", configuration(setup.tsa_options).as_bytes());
        tsa
    }

    /// A response to a query made with these options.
    pub(super) fn reply(&self, query_options: &[&str]) -> Vec<u8> {
        self.openssl(&[&["ts", "-query", "-data", "data", "-out", "query.tsq"], query_options].concat());
        self.openssl(&["ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-out", "reply.tsr"]);
        self.read("reply.tsr")
    }

    pub(super) fn anchors(&self) -> TrustAnchors {
        TrustAnchors::from_pem(&String::from_utf8(self.read("root.pem")).unwrap()).unwrap()
    }

    /// The TSU's certificate and the intermediate's, in DER.
    pub(super) fn chain(&self) -> Vec<attestamp_certs::CertificateDer<'static>> {
        let text = [self.read("tsu.pem"), self.read("sub.pem")].concat();
        attestamp_certs::pem::certificates_from_pem(&String::from_utf8(text).unwrap()).unwrap()
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.path().join(name), content).unwrap();
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").args(arguments).current_dir(self.path()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {}: {stderr}", arguments.join(" "));
    }
}

fn configuration(options: &str) -> String {
    format!(
        "[tsa]\ndefault_tsa = test\n[test]\nserial = serial\nsigner_cert = tsu.pem\nsigner_key = tsu.key\n\
         certs = sub.pem\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\nother_policies = 1.2.3.4.5\n\
         digests = sha256, sha384, sha512\n{options}"
    )
}
