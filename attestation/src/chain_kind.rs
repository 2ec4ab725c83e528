//! Which of the two chains an attestation is under, and what their files are called.

use std::fmt;

/// Which of the two chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainKind {
    /// P-384.
    Classical,
    /// ML-DSA-87 and ML-DSA-65.
    PostQuantum,
}

impl ChainKind {
    /// Both, the classical one first.
    pub const ALL: [Self; 2] = [Self::Classical, Self::PostQuantum];

    /// As `classical` or `post-quantum`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classical => "classical",
            Self::PostQuantum => "post-quantum",
        }
    }

    /// The chain's file in a bundle.
    #[must_use]
    pub const fn chain_file(self) -> &'static str {
        match self {
            Self::Classical => "chain.pem",
            Self::PostQuantum => "pq-chain.pem",
        }
    }

    /// The end of the name of an attestation's file: `pem` or `pq.pem`.
    #[must_use]
    pub const fn attestation_ending(self) -> &'static str {
        match self {
            Self::Classical => "pem",
            Self::PostQuantum => "pq.pem",
        }
    }
}

impl fmt::Display for ChainKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
