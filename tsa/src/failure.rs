//! Why no token is issued, and what the client is told of it: the one place where a reason becomes a PKIFailureInfo.
//!
//! Three kinds: *malformed* (the codec could not read the request), *refusal* (the client asked for what this profile
//! does not give), *fault* (ours). A client learns the numbers of the first two, which it knows anyway, and nothing but
//! the bare word of a fault; the causes of a fault are logged where they arise and never come near this type.

use attestamp_certs::HashAlgorithm;

use attestamp_strict_der::Malformed;

/// A well-formed request for something that this profile does not give. The client's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A version other than 1.
    #[error("only version 1 of the timestamp request is served")]
    UnsupportedVersion,
    /// A hash algorithm that is unknown here: MD5 and SHA-1 among them.
    #[error(
        "the hash algorithm of the request is not supported; use SHA-256 or another hash that this service lists"
    )]
    UnknownHash,
    /// A hash algorithm that this profile does not accept.
    #[error("the hash algorithm {} is not accepted here; use one that this service lists", hash.name())]
    HashNotAccepted {
        /// The hash asked for.
        hash: HashAlgorithm,
    },
    /// Parameters other than NULL beside the hash's identifier.
    #[error("the parameters of the hash algorithm must be absent or NULL")]
    HashParameters,
    /// A hash value of another length than the hash has.
    #[error("the hash value has {found} octets, {} gives {required}", hash.name())]
    ImprintLength {
        /// The hash named.
        hash: HashAlgorithm,
        /// Octets given.
        found: usize,
        /// Octets that the hash has.
        required: usize,
    },
    /// A policy that is not offered.
    #[error("the requested policy is not offered here; leave it out, or use one that this service lists")]
    PolicyNotOffered,
    /// An extension that is not known here, critical or not.
    #[error("the request has an extension that is not supported")]
    UnknownExtension,
    /// A known extension asks for information that is not at hand. No extension is known yet, so nothing gives this.
    #[error("the additional information that the request asks for is not available")]
    AdditionalInformationNotAvailable,
    /// A nonce longer than is echoed.
    #[error("the nonce has {found} octets, at most {limit} are accepted")]
    NonceTooLong {
        /// Content octets given.
        found: usize,
        /// Content octets accepted.
        limit: usize,
    },
}

/// A reason on our side. What caused it is in the log, never in the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The clock is not trusted at this moment.
    #[error("the time source is not available; try again later")]
    TimeNotAvailable,
    /// Anything else: no key, no signature, no durable record.
    #[error("the request cannot be served because of a system failure; try again later")]
    SystemFailure,
}

/// Any reason why no token is issued. Its Display is the statusString of the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The request could not be read.
    #[error("not a DER TimeStampReq: {0}")]
    Malformed(Malformed),
    /// The request is refused.
    #[error(transparent)]
    Refusal(Refusal),
    /// We failed.
    #[error(transparent)]
    Fault(Fault),
}

/// `PKIFailureInfo`: the one bit that is set, out of those that RFC 3161 §2.4.2 allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PkiFailureInfo {
    /// Unrecognised or unsupported algorithm identifier.
    BadAlg,
    /// Transaction not permitted or supported.
    BadRequest,
    /// The data submitted has the wrong format.
    BadDataFormat,
    /// The TSA's time source is not available.
    TimeNotAvailable,
    /// The requested TSA policy is not supported by the TSA.
    UnacceptedPolicy,
    /// The requested extension is not supported by the TSA.
    UnacceptedExtension,
    /// The additional information requested could not be understood or is not available.
    AddInfoNotAvailable,
    /// The request cannot be handled due to system failure.
    SystemFailure,
}

impl Failure {
    /// What the reply says. The clauses are of RFC 3161.
    #[must_use]
    pub const fn failure_info(&self) -> PkiFailureInfo {
        match self {
            // §2.4.2: "the data submitted has the wrong format".
            Self::Malformed(Malformed { .. }) => PkiFailureInfo::BadDataFormat,
            Self::Refusal(refusal) => match refusal {
                // §2.4.1: version 1 is the only one; §2.4.2: "transaction not permitted or supported".
                Refusal::UnsupportedVersion => PkiFailureInfo::BadRequest,
                // §2.4.1: a hash that is unknown or weak "SHOULD refuse … with bad_alg".
                Refusal::UnknownHash | Refusal::HashNotAccepted { .. } => PkiFailureInfo::BadAlg,
                // §2.4.2: "unrecognized or unsupported Algorithm Identifier": the parameters are part of it.
                Refusal::HashParameters => PkiFailureInfo::BadAlg,
                // §2.4.1: the length MUST match that of the algorithm; §2.4.2: wrong format.
                Refusal::ImprintLength { .. } => PkiFailureInfo::BadDataFormat,
                // §2.4.2: "the requested TSA policy is not supported by the TSA".
                Refusal::PolicyNotOffered => PkiFailureInfo::UnacceptedPolicy,
                // §2.4.1: an unrecognised extension, critical or not, SHALL be answered so.
                Refusal::UnknownExtension => PkiFailureInfo::UnacceptedExtension,
                // §2.4.2: "could not be understood or is not available".
                Refusal::AdditionalInformationNotAvailable => PkiFailureInfo::AddInfoNotAvailable,
                // Our own limit, on which the RFC is silent; §2.4.2: "not permitted".
                Refusal::NonceTooLong { .. } => PkiFailureInfo::BadRequest,
            },
            // §2.4.2: "the TSA's time source is not available".
            Self::Fault(Fault::TimeNotAvailable) => PkiFailureInfo::TimeNotAvailable,
            // §2.4.2: "the request cannot be handled due to system failure".
            Self::Fault(Fault::SystemFailure) => PkiFailureInfo::SystemFailure,
        }
    }
}

impl PkiFailureInfo {
    /// Every value, in the order of their bits.
    pub const ALL: [Self; 8] = [
        Self::BadAlg,
        Self::BadRequest,
        Self::BadDataFormat,
        Self::TimeNotAvailable,
        Self::UnacceptedPolicy,
        Self::UnacceptedExtension,
        Self::AddInfoNotAvailable,
        Self::SystemFailure,
    ];

    /// The number of the bit, 0 being the first of the BIT STRING (RFC 3161 §2.4.2).
    #[must_use]
    pub const fn bit(self) -> u8 {
        match self {
            Self::BadAlg => 0,
            Self::BadRequest => 2,
            Self::BadDataFormat => 5,
            Self::TimeNotAvailable => 14,
            Self::UnacceptedPolicy => 15,
            Self::UnacceptedExtension => 16,
            Self::AddInfoNotAvailable => 17,
            Self::SystemFailure => 25,
        }
    }

    /// The value with this bit; `None` for bits that RFC 3161 does not use.
    #[must_use]
    pub fn from_bit(bit: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|info| info.bit() == bit)
    }

    /// The name in RFC 3161.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadAlg => "badAlg",
            Self::BadRequest => "badRequest",
            Self::BadDataFormat => "badDataFormat",
            Self::TimeNotAvailable => "timeNotAvailable",
            Self::UnacceptedPolicy => "unacceptedPolicy",
            Self::UnacceptedExtension => "unacceptedExtension",
            Self::AddInfoNotAvailable => "addInfoNotAvailable",
            Self::SystemFailure => "systemFailure",
        }
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
