//! The kinds of keys that a TSU can have, by our names and by OpenSSL's.

/// A post-quantum parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterSet {
    /// What `tsu new --algorithm` takes.
    pub name: &'static str,
    /// What OpenSSL calls it, in FIPS 204's and 205's own spelling.
    pub openssl: &'static str,
}

impl ParameterSet {
    /// Whether it is one of ML-DSA.
    #[must_use]
    pub fn is_ml_dsa(self) -> bool {
        self.name.starts_with("ml-dsa-")
    }

    /// Name of the tests' TSU with such a key.
    #[must_use]
    pub fn tsu(self) -> String {
        format!("on-{}", self.name)
    }
}

/// All that the server issues tokens with.
pub const POST_QUANTUM: [ParameterSet; 8] = [
    ParameterSet { name: "ml-dsa-44", openssl: "ML-DSA-44" },
    ParameterSet { name: "ml-dsa-65", openssl: "ML-DSA-65" },
    ParameterSet { name: "ml-dsa-87", openssl: "ML-DSA-87" },
    ParameterSet { name: "slh-dsa-sha2-128s", openssl: "SLH-DSA-SHA2-128s" },
    ParameterSet { name: "slh-dsa-sha2-128f", openssl: "SLH-DSA-SHA2-128f" },
    ParameterSet { name: "slh-dsa-sha2-192f", openssl: "SLH-DSA-SHA2-192f" },
    ParameterSet { name: "slh-dsa-sha2-256f", openssl: "SLH-DSA-SHA2-256f" },
    ParameterSet { name: "slh-dsa-shake-128f", openssl: "SLH-DSA-SHAKE-128f" },
];
