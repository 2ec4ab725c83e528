//! What `third-party/kryoptic-lib.patch` must not have broken: the token keeps OpenSSL's form of a private key with the
//! object, and with the object it must go, change and be refused. In a process of its own, by PKCS#11 alone.

#![cfg(test)]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};

/// secp256r1 (RFC 5480 §2.1.1.1).
const P256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";

const DIGEST: [u8; 32] = [0x5A; 32];

struct Pair {
    private: ObjectHandle,
    public: VerifyingKey,
}

fn generate(session: &Session) -> Pair {
    let public = [Attribute::Token(true), Attribute::Verify(true), Attribute::EcParams(P256.to_vec())];
    let private = [Attribute::Token(true), Attribute::Private(true), Attribute::Sign(true)];
    let (public, private) = session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).unwrap();
    let point = session.get_attributes(public, &[cryptoki::object::AttributeType::EcPoint]).unwrap();
    let [Attribute::EcPoint(point)] = point.as_slice() else { panic!("no point: {point:?}") };
    let public = VerifyingKey::from_sec1_bytes(&point[point.len() - 65..]).unwrap();
    Pair { private, public }
}

fn sign(session: &Session, key: ObjectHandle) -> Result<Signature, RvError> {
    match session.sign(&Mechanism::Ecdsa, key, &DIGEST) {
        Ok(signature) => Ok(Signature::from_slice(&signature).unwrap()),
        Err(Error::Pkcs11(code, _)) => Err(code),
        Err(other) => panic!("{other}"),
    }
}

fn is_of(key: &Pair, signature: &Signature) -> bool {
    key.public.verify_prehash(&DIGEST, signature).is_ok()
}

#[test]
fn a_kept_key_is_its_objects_and_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = CString::new(folder.path().join("token.sql").as_os_str().as_bytes()).unwrap();
    assert_eq!(attestamp_token::initialise(&database), 0);
    let module = Pkcs11::new_from_self().unwrap();
    let slot = *module.get_all_slots().unwrap().first().unwrap();
    let (so, user) = (AuthPin::from("12345678"), AuthPin::from("87654321"));
    module.init_token(slot, &so, "kept").unwrap();
    let session = module.open_rw_session(slot).unwrap();
    session.login(UserType::So, Some(&so)).unwrap();
    session.init_pin(&user).unwrap();
    session.logout().unwrap();
    session.login(UserType::User, Some(&user)).unwrap();

    // Each key signs with its own, the second time too.
    let (first, second) = (generate(&session), generate(&session));
    for _ in 0..2 {
        for (key, other) in [(&first, &second), (&second, &first)] {
            let signature = sign(&session, key.private).unwrap();
            assert!(is_of(key, &signature) && !is_of(other, &signature));
        }
    }

    // A copy outlives what it was made of; the handle of what was destroyed is none, however often it had signed.
    let copy = session.copy_object(first.private, &[Attribute::Token(false)]).unwrap();
    assert!(is_of(&first, &sign(&session, copy).unwrap()));
    session.destroy_object(first.private).unwrap();
    let refused = sign(&session, first.private).unwrap_err();
    assert!(matches!(refused, RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid), "{refused:?}");
    assert!(is_of(&first, &sign(&session, copy).unwrap()));
    session.destroy_object(copy).unwrap();
    sign(&session, copy).unwrap_err();

    // What comes after it signs with its own key, whatever handle it has.
    let third = generate(&session);
    let signature = sign(&session, third.private).unwrap();
    assert!(is_of(&third, &signature) && !is_of(&first, &signature));

    // A change of the object leaves the key what it is, and a use that it forbids is refused.
    session.update_attributes(second.private, &[Attribute::Label(b"renamed".to_vec())]).unwrap();
    assert!(is_of(&second, &sign(&session, second.private).unwrap()));
    session.update_attributes(second.private, &[Attribute::Sign(false)]).unwrap();
    assert_eq!(sign(&session, second.private).unwrap_err(), RvError::KeyFunctionNotPermitted);
    assert!(is_of(&third, &sign(&session, third.private).unwrap()));

    // Who is not logged in does not sign with what another made ready.
    session.logout().unwrap();
    sign(&session, third.private).unwrap_err();
}
