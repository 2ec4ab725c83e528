//! Finding keys among a token's objects, and taking them away.

use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};

use super::attributes::{self, value};
use crate::algorithm::{KeyAlgorithm, PublicKey};
use crate::error::{HsmError, KeyQuery};
use crate::key::{KeyId, KeyInfo};
use crate::loaded::OpenSession;
use crate::spki;

/// A private key of a kind that we sign with.
pub(crate) struct FoundKey {
    pub(crate) private: ObjectHandle,
    pub(crate) id: KeyId,
    pub(crate) algorithm: KeyAlgorithm,
}

impl FoundKey {
    fn read(session: &OpenSession, private: ObjectHandle) -> Result<Option<Self>, HsmError> {
        let Some(id) = value!(session, private, Id).and_then(KeyId::new) else { return Ok(None) };
        let algorithm = algorithm_of(session, private)?;
        Ok(algorithm.map(|algorithm| Self { private, id, algorithm }))
    }

    /// Everything that is told of the key outside of this crate.
    pub(crate) fn info(&self, session: &OpenSession) -> Result<KeyInfo, HsmError> {
        let label = value!(session, self.private, Label).and_then(|label| String::from_utf8(label).ok());
        Ok(KeyInfo {
            id: self.id.clone(),
            label: label.unwrap_or_default(),
            algorithm: self.algorithm,
            spki_der: self.spki_der(session)?,
            attributes: attributes::read_all(session, self.private)?,
        })
    }

    /// The public key, from wherever this token has it.
    pub(crate) fn spki_der(&self, session: &OpenSession) -> Result<Vec<u8>, HsmError> {
        let public = find(session, &self.template(ObjectClass::PUBLIC_KEY))?;
        for object in [self.private].into_iter().chain(public) {
            let info = value!(session, object, PublicKeyInfo);
            if let Some(spki) = info.and_then(|info| spki::from_public_key_info(self.algorithm, &info)) {
                return Ok(spki);
            }
            let built = match self.algorithm.row().public {
                PublicKey::Rsa { .. } => value!(session, object, Modulus)
                    .zip(value!(session, object, PublicExponent))
                    .and_then(|(modulus, exponent)| spki::from_rsa(self.algorithm, &modulus, &exponent)),
                PublicKey::Curve { .. } => value!(session, object, EcPoint)
                    .and_then(|point| spki::from_point(self.algorithm, &point)),
                // The value of a private key is the secret: it is not asked for.
                PublicKey::ParameterSet { .. } if object == self.private => None,
                PublicKey::ParameterSet { .. } => {
                    value!(session, object, Value).and_then(|value| spki::from_value(self.algorithm, &value))
                }
            };
            if let Some(spki) = built {
                return Ok(spki);
            }
        }
        Err(HsmError::PublicKeyUnreadable { id: self.id.clone() })
    }

    fn template(&self, class: ObjectClass) -> [Attribute; 3] {
        [Attribute::Token(true), Attribute::Class(class), Attribute::Id(self.id.as_bytes().to_vec())]
    }
}

/// Session objects are found too unless CKA_TOKEN is asked for: copies would be taken for the key itself.
fn find(session: &OpenSession, template: &[Attribute]) -> Result<Vec<ObjectHandle>, HsmError> {
    session.call(|session| session.find_objects(template))
}

/// The one private key that matches.
pub(crate) fn find_one(session: &OpenSession, label: &str, query: &KeyQuery) -> Result<FoundKey, HsmError> {
    let mut template = vec![Attribute::Token(true), Attribute::Class(ObjectClass::PRIVATE_KEY)];
    let (id, object) = match query {
        KeyQuery::Id(id) => (Some(id), None),
        KeyQuery::Uri(uri) => (uri.id.as_ref(), uri.object.as_ref()),
    };
    template.extend(id.map(|id| Attribute::Id(id.as_bytes().to_vec())));
    template.extend(object.map(|object| Attribute::Label(object.as_bytes().to_vec())));
    let found = find(session, &template)?;
    let missing = || HsmError::KeyMissing { label: label.to_owned(), wanted: Box::new(query.clone()) };
    match found.as_slice() {
        [] => Err(missing()),
        [private] => FoundKey::read(session, *private)?.ok_or_else(|| match id {
            Some(id) => HsmError::KeyUnsupported { id: id.clone() },
            None => missing(),
        }),
        several => Err(HsmError::KeyAmbiguous {
            label: label.to_owned(),
            wanted: Box::new(query.clone()),
            found: several.len(),
        }),
    }
}

/// Every private key of a kind that we sign with and whose public half can be read.
pub(crate) fn all_keys(session: &OpenSession) -> Result<Vec<KeyInfo>, HsmError> {
    let mut keys = Vec::new();
    for private in find(session, &[Attribute::Token(true), Attribute::Class(ObjectClass::PRIVATE_KEY)])? {
        if let Some(key) = FoundKey::read(session, private)? {
            match key.info(session) {
                Ok(info) => keys.push(info),
                Err(HsmError::PublicKeyUnreadable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(keys)
}

/// Whether either half of a key pair has this id.
pub(crate) fn id_is_taken(session: &OpenSession, id: &KeyId) -> Result<bool, HsmError> {
    for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
        let template = [Attribute::Class(class), Attribute::Id(id.as_bytes().to_vec())];
        if !find(session, &template)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Destroys all private and public keys with this id, session copies among them; certificates stay.
pub(crate) fn destroy(session: &OpenSession, id: &KeyId) -> Result<(), HsmError> {
    for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
        for object in find(session, &[Attribute::Class(class), Attribute::Id(id.as_bytes().to_vec())])? {
            session.call(|session| session.destroy_object(object))?;
        }
    }
    Ok(())
}

/// A copy of the private key that lives in memory and as long as this session.
pub(crate) fn copy_into_session(
    session: &OpenSession,
    private: ObjectHandle,
) -> Result<ObjectHandle, HsmError> {
    session.call(|session| session.copy_object(private, &[Attribute::Token(false)]))
}

fn algorithm_of(session: &OpenSession, private: ObjectHandle) -> Result<Option<KeyAlgorithm>, HsmError> {
    let Some(key_type) = value!(session, private, KeyType) else { return Ok(None) };
    let (mut parameters, mut modulus, mut set) = (None, None, None);
    if key_type == KeyType::RSA {
        modulus = value!(session, private, Modulus);
    } else if key_type == KeyType::EC || key_type == KeyType::EC_EDWARDS {
        parameters = value!(session, private, EcParams);
    } else if key_type == KeyType::ML_DSA || key_type == KeyType::SLH_DSA {
        set = value!(session, private, ParameterSet);
    }
    Ok(KeyAlgorithm::ALL.into_iter().find(|algorithm| {
        let row = algorithm.row();
        row.key_type == key_type
            && match row.public {
                PublicKey::Rsa { modulus_bits } => modulus.as_deref().is_some_and(|modulus| {
                    let leading_zeros = modulus.iter().take_while(|byte| **byte == 0).count();
                    u64::try_from(modulus.len() - leading_zeros)
                        .is_ok_and(|length| length * 8 == modulus_bits)
                }),
                PublicKey::Curve { parameters: known, .. } => {
                    parameters.as_deref().is_some_and(|parameters| known.contains(&parameters))
                }
                PublicKey::ParameterSet { parameter_set, .. } => set == Some(parameter_set()),
            }
    }))
}
