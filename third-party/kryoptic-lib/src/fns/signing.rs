// Copyright 2026 Simo Sorce
// See LICENSE.txt file for terms

//! Signing and Verification functions
//!
//! This module contains the implementation of the Signing and Verification functions
//! as defined in the PKCS#11 specification.

use crate::check_allowed_mechs;
use crate::error::Result;
use crate::log_debug;
use crate::mechanism::{Sign, Verify, VerifySignature};
use crate::misc::{bytes_to_slice, bytes_to_slice_mut};
use crate::pkcs11::*;
use crate::session::Session;
use crate::STATE;

#[cfg(feature = "fips")]
use crate::{finalize_fips_approval, init_fips_approval};

#[inline(always)]
fn sign_init(
    s_handle: CK_SESSION_HANDLE,
    mechptr: CK_MECHANISM_PTR,
    key_handle: CK_OBJECT_HANDLE,
) -> Result<()> {
    let rstate = STATE.rlock()?;
    let mut session = rstate.get_session_mut(s_handle)?;
    if mechptr.is_null() {
        session.cancel_operation::<dyn Sign>()?;
        return Ok(());
    }
    session.check_no_op::<dyn Sign>()?;

    let mechanism = CK_MECHANISM::from_ptr(mechptr);
    let slot_id = session.get_slot_id();
    let mut token = rstate.get_token_from_slot_mut(slot_id)?;
    let key = token.get_object_by_handle(key_handle)?;
    match check_allowed_mechs(&mechanism, &key) {
        CKR_OK => (),
        err => return Err(err)?,
    }
    let mech = token.get_mechanisms().get(mechanism.mechanism)?;
    if mech.info().flags & CKF_SIGN == CKF_SIGN {
        let operation = mech.sign_new(&mechanism, &key)?;
        session.set_operation::<dyn Sign>(operation);

        #[cfg(feature = "fips")]
        init_fips_approval(session, mechanism.mechanism, CKF_SIGN, Some(&key));

        Ok(())
    } else {
        Err(CKR_MECHANISM_INVALID)?
    }
}

/// Implementation of C_SignInit function
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203321](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203321)

pub extern "C" fn fn_sign_init(
    s_handle: CK_SESSION_HANDLE,
    mechptr: CK_MECHANISM_PTR,
    key_handle: CK_OBJECT_HANDLE,
) -> CK_RV {
    log_debug!(
        "C_SignInit: s_handle={} mechptr={:?} key_handle={}",
        s_handle,
        mechptr,
        key_handle
    );
    let rv = match sign_init(s_handle, mechptr, key_handle) {
        Ok(()) => CKR_OK,
        Err(e) => e.rv(),
    };
    log_debug!("C_SignInit: ret={}", rv);
    rv
}

#[inline(always)]
fn sign(
    s_handle: CK_SESSION_HANDLE,
    pdata: CK_BYTE_PTR,
    data_len: CK_ULONG,
    psignature: CK_BYTE_PTR,
    pul_signature_len: CK_ULONG_PTR,
) -> Result<()> {
    let rstate = STATE.rlock()?;
    let session = &mut *(rstate.get_session_mut(s_handle)?);
    let slot_id = session.get_slot_id();
    let mut operation = session.operations.get_operation::<dyn Sign>()?;
    let signature_len = operation.signature_len()?;
    let sig_len =
        CK_ULONG::try_from(signature_len).map_err(|_| CKR_GENERAL_ERROR)?;
    if !pul_signature_len.is_null() && psignature.is_null() {
        unsafe {
            *pul_signature_len = sig_len;
        }
        return operation.ok();
    }

    if pdata.is_null() || pul_signature_len.is_null() {
        return Err(CKR_ARGUMENTS_BAD)?;
    }
    if operation.requires_login() {
        if !session.login_ok {
            return Err(CKR_USER_NOT_LOGGED_IN)?;
        }
        operation.login_fulfilled();
        session.login_ok = false;
    }
    unsafe {
        if *pul_signature_len < sig_len {
            *pul_signature_len = sig_len;
            operation.ok()?;
            return Err(CKR_BUFFER_TOO_SMALL)?;
        }
    }
    let dlen = usize::try_from(data_len).map_err(|_| CKR_ARGUMENTS_BAD)?;
    let data: &[u8] = bytes_to_slice(pdata, dlen);
    let signature: &mut [u8] = bytes_to_slice_mut(psignature, signature_len)?;

    operation.sign(data, signature)?;

    if let Some((handle, attrs)) = operation.updates_object() {
        let mut token = rstate.get_token_from_slot_mut(slot_id)?;
        if token.set_object_attrs(handle, attrs.as_slice()).is_err() {
            return Err(CKR_GENERAL_ERROR)?;
        }
    }

    unsafe {
        *pul_signature_len = sig_len;
    }

    operation.done();

    #[cfg(feature = "fips")]
    {
        let approved = operation.fips_approved();
        drop(operation);
        finalize_fips_approval(session, approved);
    }

    Ok(())
}

/// Implementation of C_Sign function
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203322](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203322)

pub extern "C" fn fn_sign(
    s_handle: CK_SESSION_HANDLE,
    pdata: CK_BYTE_PTR,
    data_len: CK_ULONG,
    psignature: CK_BYTE_PTR,
    pul_signature_len: CK_ULONG_PTR,
) -> CK_RV {
    log_debug!(
        "C_Sign: s_handle={} pdata={:?} data_len={} psignature={:?} pul_signature_len={:?}",
        s_handle,
        pdata,
        data_len,
        psignature,
        pul_signature_len
    );
    let rv =
        match sign(s_handle, pdata, data_len, psignature, pul_signature_len) {
            Ok(()) => CKR_OK,
            Err(e) => e.rv(),
        };
    log_debug!("C_Sign: ret={}", rv);
    rv
}

/// Helper to perform "sign_update" in multiple places,

pub(crate) fn internal_sign_update(
    session: &mut Session,
    part: CK_BYTE_PTR,
    part_len: CK_ULONG,
) -> Result<()> {
    let mut operation = session.operations.get_operation::<dyn Sign>()?;
    if part.is_null() {
        return Err(CKR_ARGUMENTS_BAD)?;
    }
    if operation.requires_login() {
        if !session.login_ok {
            return Err(CKR_USER_NOT_LOGGED_IN)?;
        }
        operation.login_fulfilled();
        session.login_ok = false;
    }
    let plen = usize::try_from(part_len).map_err(|_| CKR_ARGUMENTS_BAD)?;
    let data: &[u8] = bytes_to_slice(part, plen);
    operation.sign_update(data)?;
    operation.ok()
}

#[inline(always)]
fn sign_update(
    s_handle: CK_SESSION_HANDLE,
    part: CK_BYTE_PTR,
    part_len: CK_ULONG,
) -> Result<()> {
    internal_sign_update(
        &mut *(STATE.rlock()?.get_session_mut(s_handle)?),
        part,
        part_len,
    )
}

/// Implementation of C_SignUpdate function
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203323](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203323)

pub extern "C" fn fn_sign_update(
    s_handle: CK_SESSION_HANDLE,
    part: CK_BYTE_PTR,
    part_len: CK_ULONG,
) -> CK_RV {
    log_debug!(
        "C_SignUpdate: s_handle={} part={:?} part_len={}",
        s_handle,
        part,
        part_len
    );
    let rv = match sign_update(s_handle, part, part_len) {
        Ok(()) => CKR_OK,
        Err(e) => e.rv(),
    };
    log_debug!("C_SignUpdate: ret={}", rv);
    rv
}

#[inline(always)]
fn sign_final(
    s_handle: CK_SESSION_HANDLE,
    psignature: CK_BYTE_PTR,
    pul_signature_len: CK_ULONG_PTR,
) -> Result<()> {
    let rstate = STATE.rlock()?;
    let session = &mut *(rstate.get_session_mut(s_handle)?);
    let slot_id = session.get_slot_id();
    let mut operation = session.operations.get_operation::<dyn Sign>()?;
    let signature_len = operation.signature_len()?;
    let sig_len =
        CK_ULONG::try_from(signature_len).map_err(|_| CKR_GENERAL_ERROR)?;
    if !pul_signature_len.is_null() && psignature.is_null() {
        unsafe {
            *pul_signature_len = sig_len;
        }
        return operation.ok();
    }

    if pul_signature_len.is_null() {
        return Err(CKR_ARGUMENTS_BAD)?;
    }
    if operation.requires_login() {
        if !session.login_ok {
            return Err(CKR_USER_NOT_LOGGED_IN)?;
        }
        operation.login_fulfilled();
        session.login_ok = false;
    }
    unsafe {
        if *pul_signature_len < sig_len {
            *pul_signature_len = sig_len;
            operation.ok()?;
            return Err(CKR_BUFFER_TOO_SMALL)?;
        }
    }
    let signature: &mut [u8] = bytes_to_slice_mut(psignature, signature_len)?;
    operation.sign_final(signature)?;

    if let Some((handle, attrs)) = operation.updates_object() {
        let mut token = rstate.get_token_from_slot_mut(slot_id)?;
        if token.set_object_attrs(handle, attrs.as_slice()).is_err() {
            return Err(CKR_GENERAL_ERROR)?;
        }
    }

    unsafe {
        *pul_signature_len = sig_len;
    }

    operation.done();

    #[cfg(feature = "fips")]
    {
        let approved = operation.fips_approved();
        drop(operation);
        finalize_fips_approval(session, approved);
    }

    Ok(())
}

/// Implementation of C_SignFinal function
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203324](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203324)

pub extern "C" fn fn_sign_final(
    s_handle: CK_SESSION_HANDLE,
    psignature: CK_BYTE_PTR,
    pul_signature_len: CK_ULONG_PTR,
) -> CK_RV {
    log_debug!(
        "C_SignFinal: s_handle={} psignature={:?} pul_signature_len={:?}",
        s_handle,
        psignature,
        pul_signature_len
    );
    let rv = match sign_final(s_handle, psignature, pul_signature_len) {
        Ok(()) => CKR_OK,
        Err(e) => e.rv(),
    };
    log_debug!("C_SignFinal: ret={}", rv);
    rv
}

/// Implementation of C_SignRecoverInit function (Not Implemented Yet)
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203325](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203325)

pub extern "C" fn fn_sign_recover_init(
    _session: CK_SESSION_HANDLE,
    _mechanism: CK_MECHANISM_PTR,
    _key: CK_OBJECT_HANDLE,
) -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

/// Implementation of C_SignRecover function (Not Implemented Yet)
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203326](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203326)

pub extern "C" fn fn_sign_recover(
    _session: CK_SESSION_HANDLE,
    _data: CK_BYTE_PTR,
    _data_len: CK_ULONG,
    _signature: CK_BYTE_PTR,
    _pul_signature_len: CK_ULONG_PTR,
) -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

#[inline(always)]
fn verify_init(
    s_handle: CK_SESSION_HANDLE,
    mechptr: CK_MECHANISM_PTR,
    key_handle: CK_OBJECT_HANDLE,
) -> Result<()> {
    let rstate = STATE.rlock()?;
    let mut session = rstate.get_session_mut(s_handle)?;
    if mechptr.is_null() {
        session.cancel_operation::<dyn Verify>()?;
        return Ok(());
    }
    session.check_no_op::<dyn Verify>()?;
    let mechanism = CK_MECHANISM::from_ptr(mechptr);
    let slot_id = session.get_slot_id();
    let mut token = rstate.get_token_from_slot_mut(slot_id)?;
    let key = token.get_object_by_handle(key_handle)?;
    match check_allowed_mechs(&mechanism, &key) {
        CKR_OK => (),
        err => return Err(err)?,
    }
    let mech = token.get_mechanisms().get(mechanism.mechanism)?;
    if mech.info().flags & CKF_VERIFY == CKF_VERIFY {
        let operation = mech.verify_new(&mechanism, &key)?;
        session.set_operation::<dyn Verify>(operation);

        #[cfg(feature = "fips")]
        init_fips_approval(
            session,
            mechanism.mechanism,
            CKF_VERIFY,
            Some(&key),
        );

        Ok(())
    } else {
        Err(CKR_MECHANISM_INVALID)?
    }
}

/// Implementation of C_VerifyInit function
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203334](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203334)

pub extern "C" fn fn_verify_init(
    s_handle: CK_SESSION_HANDLE,
    mechptr: CK_MECHANISM_PTR,
    key_handle: CK_OBJECT_HANDLE,
) -> CK_RV {
    log_debug!(
        "C_VerifyInit: s_handle={} mechptr={:?} key_handle={}",
        s_handle,
        mechptr,
        key_handle
    );
    let rv = match verify_init(s_handle, mechptr, key_handle) {
        Ok(()) => CKR_OK,
        Err(e) => e.rv(),
    };
    log_debug!("C_VerifyInit: ret={}", rv);
    rv
}

#[inline(always)]
fn verify(
    s_handle: CK_SESSION_HANDLE,
    pdata: CK_BYTE_PTR,
    data_len: CK_ULONG,
    psignature: CK_BYTE_PTR,
    psignature_len: CK_ULONG,
) -> Result<()> {
    let rstate = STATE.rlock()?;
    let session = &mut *(rstate.get_session_mut(s_handle)?);
    let slot_id = session.get_slot_id();
    let mut operation = session.operations.get_operation::<dyn Verify>()?;
    if pdata.is_null() || psignature.is_null() {
        return Err(CKR_ARGUMENTS_BAD)?;
    }
    if operation.requires_login() {
        if !session.login_ok {
            return Err(CKR_USER_NOT_LOGGED_IN)?;
        }
        operation.login_fulfilled();
        session.login_ok = false;
    }
    let signature_len = operation.signature_len()?;
    let sig_len =
        CK_ULONG::try_from(signature_len).map_err(|_| CKR_GENERAL_ERROR)?;
    if psignature_len != sig_len {
        return Err(CKR_SIGNATURE_LEN_RANGE)?;
    }
    let dlen = usize::try_from(data_len).map_err(|_| CKR_ARGUMENTS_BAD)?;
    let data: &[u8] = bytes_to_slice(pdata, dlen);
    let signature: &[u8] = bytes_to_slice(psignature, signature_len);
    operation.verify(data, signature)?;

    if let Some((handle, attrs)) = operation.updates_object() {
        let mut token = rstate.get_token_from_slot_mut(slot_id)?;
        if token.set_object_attrs(handle, attrs.as_slice()).is_err() {
            return Err(CKR_GENERAL_ERROR)?;
        }
    }

    operation.done();

    #[cfg(feature = "fips")]
    {
        let approved = operation.fips_approved();
        drop(operation);
        finalize_fips_approval(session, approved);
    }

    Ok(())
}

/// Implementation of C_Verify function
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203335](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203335)

pub extern "C" fn fn_verify(
    s_handle: CK_SESSION_HANDLE,
    pdata: CK_BYTE_PTR,
    data_len: CK_ULONG,
    psignature: CK_BYTE_PTR,
    psignature_len: CK_ULONG,
) -> CK_RV {
    log_debug!(
        "C_Verify: s_handle={} pdata={:?} data_len={} psignature={:?} psignature_len={}",
        s_handle,
        pdata,
        data_len,
        psignature,
        psignature_len
    );
    let rv = match verify(s_handle, pdata, data_len, psignature, psignature_len)
    {
        Ok(()) => CKR_OK,
        Err(e) => e.rv(),
    };
    log_debug!("C_Verify: ret={}", rv);
    rv
}

/// Helper to perform "verify_update" in multiple places,

pub(crate) fn internal_verify_update(
    session: &mut Session,
    part: CK_BYTE_PTR,
    part_len: CK_ULONG,
) -> Result<()> {
    let mut operation = session.operations.get_operation::<dyn Verify>()?;
    if part.is_null() {
        return Err(CKR_ARGUMENTS_BAD)?;
    }
    if operation.requires_login() {
        if !session.login_ok {
            return Err(CKR_USER_NOT_LOGGED_IN)?;
        }
        operation.login_fulfilled();
        session.login_ok = false;
    }
    let plen = usize::try_from(part_len).map_err(|_| CKR_ARGUMENTS_BAD)?;
    let data: &[u8] = bytes_to_slice(part, plen);
    operation.verify_update(data)?;
    operation.ok()
}

#[inline(always)]
fn verify_update(
    s_handle: CK_SESSION_HANDLE,
    part: CK_BYTE_PTR,
    part_len: CK_ULONG,
) -> Result<()> {
    internal_verify_update(
        &mut *(STATE.rlock()?.get_session_mut(s_handle)?),
        part,
        part_len,
    )
}

/// Implementation of C_VerifyUpdate function
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203336](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203336)

pub extern "C" fn fn_verify_update(
    s_handle: CK_SESSION_HANDLE,
    part: CK_BYTE_PTR,
    part_len: CK_ULONG,
) -> CK_RV {
    log_debug!(
        "C_VerifyUpdate: s_handle={} part={:?} part_len={}",
        s_handle,
        part,
        part_len
    );
    let rv = match verify_update(s_handle, part, part_len) {
        Ok(()) => CKR_OK,
        Err(e) => e.rv(),
    };
    log_debug!("C_VerifyUpdate: ret={}", rv);
    rv
}

#[inline(always)]
fn verify_final(
    s_handle: CK_SESSION_HANDLE,
    psignature: CK_BYTE_PTR,
    psignature_len: CK_ULONG,
) -> Result<()> {
    let rstate = STATE.rlock()?;
    let session = &mut *(rstate.get_session_mut(s_handle)?);
    let slot_id = session.get_slot_id();
    let mut operation = session.operations.get_operation::<dyn Verify>()?;
    if psignature.is_null() {
        return Err(CKR_ARGUMENTS_BAD)?;
    }
    if operation.requires_login() {
        if !session.login_ok {
            return Err(CKR_USER_NOT_LOGGED_IN)?;
        }
        operation.login_fulfilled();
        session.login_ok = false;
    }
    let signature_len = operation.signature_len()?;
    let sig_len =
        CK_ULONG::try_from(signature_len).map_err(|_| CKR_GENERAL_ERROR)?;
    if psignature_len != sig_len {
        return Err(CKR_SIGNATURE_LEN_RANGE)?;
    }
    let signature: &mut [u8] = bytes_to_slice_mut(psignature, signature_len)?;
    operation.verify_final(signature)?;

    if let Some((handle, attrs)) = operation.updates_object() {
        let mut token = rstate.get_token_from_slot_mut(slot_id)?;
        if token.set_object_attrs(handle, attrs.as_slice()).is_err() {
            return Err(CKR_GENERAL_ERROR)?;
        }
    }

    operation.done();

    #[cfg(feature = "fips")]
    {
        let approved = operation.fips_approved();
        drop(operation);
        finalize_fips_approval(session, approved);
    }

    Ok(())
}

/// Implementation of C_VerifyFinal function
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203337](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203337)

pub extern "C" fn fn_verify_final(
    s_handle: CK_SESSION_HANDLE,
    psignature: CK_BYTE_PTR,
    psignature_len: CK_ULONG,
) -> CK_RV {
    log_debug!(
        "C_VerifyFinal: s_handle={} psignature={:?} psignature_len={}",
        s_handle,
        psignature,
        psignature_len
    );
    let rv = match verify_final(s_handle, psignature, psignature_len) {
        Ok(()) => CKR_OK,
        Err(e) => e.rv(),
    };
    log_debug!("C_VerifyFinal: ret={}", rv);
    rv
}

/// Implementation of C_VerifyRecoverInit function (Not Implemented Yet)
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203338](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203338)

pub extern "C" fn fn_verify_recover_init(
    _session: CK_SESSION_HANDLE,
    _mechanism: CK_MECHANISM_PTR,
    _key: CK_OBJECT_HANDLE,
) -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

/// Implementation of C_VerifyRecover function (Not Implemented Yet)
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203339](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203339)

pub extern "C" fn fn_verify_recover(
    _session: CK_SESSION_HANDLE,
    _signature: CK_BYTE_PTR,
    _signature_len: CK_ULONG,
    _data: CK_BYTE_PTR,
    _pul_data_len: CK_ULONG_PTR,
) -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

/// Implementation of C_MessageSignInit function (Not Implemented Yet)
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203328](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203328)

pub extern "C" fn fn_message_sign_init(
    _session: CK_SESSION_HANDLE,
    _mechanism: CK_MECHANISM_PTR,
    _key: CK_OBJECT_HANDLE,
) -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

/// Implementation of C_SignMessage function (Not Implemented Yet)
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203329](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203329)

pub extern "C" fn fn_sign_message(
    _session: CK_SESSION_HANDLE,
    _parameter: CK_VOID_PTR,
    _parameter_len: CK_ULONG,
    _data: CK_BYTE_PTR,
    _data_len: CK_ULONG,
    _signature: CK_BYTE_PTR,
    _pul_signature_len: CK_ULONG_PTR,
) -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

/// Implementation of C_SignMessageBegin function (Not Implemented Yet)
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203330](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203330)

pub extern "C" fn fn_sign_message_begin(
    _session: CK_SESSION_HANDLE,
    _parameter: CK_VOID_PTR,
    _parameter_len: CK_ULONG,
) -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

/// Implementation of C_SignMessageNext function (Not Implemented Yet)
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203331](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203331)

pub extern "C" fn fn_sign_message_next(
    _session: CK_SESSION_HANDLE,
    _parameter: CK_VOID_PTR,
    _parameter_len: CK_ULONG,
    _data: CK_BYTE_PTR,
    _data_len: CK_ULONG,
    _signature: CK_BYTE_PTR,
    _pul_signature_len: CK_ULONG_PTR,
) -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

/// Implementation of C_MessageSignFinal function (Not Implemented Yet)
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203332](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203332)

pub extern "C" fn fn_message_sign_final(_session: CK_SESSION_HANDLE) -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

/// Implementation of C_MessageVerifyInit function (Not Implemented Yet)
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203341](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203341)

pub extern "C" fn fn_message_verify_init(
    _session: CK_SESSION_HANDLE,
    _mechanism: CK_MECHANISM_PTR,
    _key: CK_OBJECT_HANDLE,
) -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

/// Implementation of C_VerifyMessage function (Not Implemented Yet)
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203342](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203342)

pub extern "C" fn fn_verify_message(
    _session: CK_SESSION_HANDLE,
    _parameter: CK_VOID_PTR,
    _parameter_len: CK_ULONG,
    _data: CK_BYTE_PTR,
    _data_len: CK_ULONG,
    _signature: CK_BYTE_PTR,
    _signature_len: CK_ULONG,
) -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

/// Implementation of C_VerifyMessageBegin function (Not Implemented Yet)
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203343](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203343)

pub extern "C" fn fn_verify_message_begin(
    _session: CK_SESSION_HANDLE,
    _parameter: CK_VOID_PTR,
    _parameter_len: CK_ULONG,
) -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

/// Implementation of C_VerifyMessageNext function (Not Implemented Yet)
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203344](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203344)

pub extern "C" fn fn_verify_message_next(
    _session: CK_SESSION_HANDLE,
    _parameter: CK_VOID_PTR,
    _parameter_len: CK_ULONG,
    _data: CK_BYTE_PTR,
    _data_len: CK_ULONG,
    _signature: CK_BYTE_PTR,
    _signature_len: CK_ULONG,
) -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

/// Implementation of C_MessageVerifyFinal function (Not Implemented Yet)
///
/// Version 3.1 Specification: [https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203345](https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/os/pkcs11-spec-v3.1-os.html#_Toc111203345)

pub extern "C" fn fn_message_verify_final(
    _session: CK_SESSION_HANDLE,
) -> CK_RV {
    CKR_FUNCTION_NOT_SUPPORTED
}

#[inline(always)]
fn verify_signature_init(
    s_handle: CK_SESSION_HANDLE,
    mechptr: *mut CK_MECHANISM,
    key_handle: CK_OBJECT_HANDLE,
    psignature: *mut CK_BYTE,
    psignature_len: CK_ULONG,
) -> Result<()> {
    let rstate = STATE.rlock()?;
    let mut session = rstate.get_session_mut(s_handle)?;
    if mechptr.is_null() {
        session.cancel_operation::<dyn VerifySignature>()?;
        return Ok(());
    }
    session.check_no_op::<dyn VerifySignature>()?;
    let mechanism = CK_MECHANISM::from_ptr(mechptr);
    let slot_id = session.get_slot_id();
    let mut token = rstate.get_token_from_slot_mut(slot_id)?;
    let key = token.get_object_by_handle(key_handle)?;
    match check_allowed_mechs(&mechanism, &key) {
        CKR_OK => (),

        err => return Err(err)?,
    }
    let mech = token.get_mechanisms().get(mechanism.mechanism)?;
    if mech.info().flags & CKF_VERIFY != CKF_VERIFY {
        return Err(CKR_MECHANISM_INVALID)?;
    }

    let sig_len =
        usize::try_from(psignature_len).map_err(|_| CKR_GENERAL_ERROR)?;
    let signature: &[u8] = bytes_to_slice(psignature, sig_len);
    let operation = mech.verify_signature_new(&mechanism, &key, signature)?;
    session.set_operation::<dyn VerifySignature>(operation);

    #[cfg(feature = "fips")]
    init_fips_approval(session, mechanism.mechanism, CKF_VERIFY, Some(&key));

    Ok(())
}

/// Implementation of C_VerifySignatureInit
///
/// Version 3.2 Specification: [Link TBD]

pub extern "C" fn fn_verify_signature_init(
    s_handle: CK_SESSION_HANDLE,
    mechptr: *mut CK_MECHANISM,
    key_handle: CK_OBJECT_HANDLE,
    psignature: *mut CK_BYTE,
    psignature_len: CK_ULONG,
) -> CK_RV {
    log_debug!(
        "C_VerifySignatureInit: s_handle={} mechptr={:?} key_handle={} psignature={:?} psignature_len={}",
        s_handle,
        mechptr,
        key_handle,
        psignature,
        psignature_len
    );
    let rv = match verify_signature_init(
        s_handle,
        mechptr,
        key_handle,
        psignature,
        psignature_len,
    ) {
        Ok(()) => CKR_OK,
        Err(e) => e.rv(),
    };
    log_debug!("C_VerifySignatureInit: ret={}", rv);
    rv
}

#[inline(always)]
fn verify_signature(
    s_handle: CK_SESSION_HANDLE,
    pdata: *mut CK_BYTE,
    data_len: CK_ULONG,
) -> Result<()> {
    let rstate = STATE.rlock()?;
    let session = &mut *(rstate.get_session_mut(s_handle)?);
    let slot_id = session.get_slot_id();
    let mut operation =
        session.operations.get_operation::<dyn VerifySignature>()?;
    if pdata.is_null() {
        return Err(CKR_ARGUMENTS_BAD)?;
    }
    if operation.requires_login() {
        if !session.login_ok {
            return Err(CKR_USER_NOT_LOGGED_IN)?;
        }
        operation.login_fulfilled();
        session.login_ok = false;
    }
    let dlen = usize::try_from(data_len).map_err(|_| CKR_ARGUMENTS_BAD)?;
    let data: &[u8] = bytes_to_slice(pdata, dlen);
    operation.verify(data)?;

    if let Some((handle, attrs)) = operation.updates_object() {
        let mut token = rstate.get_token_from_slot_mut(slot_id)?;
        if token.set_object_attrs(handle, attrs.as_slice()).is_err() {
            return Err(CKR_GENERAL_ERROR)?;
        }
    }

    operation.done();

    #[cfg(feature = "fips")]
    {
        let approved = operation.fips_approved();
        drop(operation);
        finalize_fips_approval(session, approved);
    }

    Ok(())
}

/// Implementation of C_VerifySignature
///
/// Version 3.2 Specification: [Link TBD]

pub extern "C" fn fn_verify_signature(
    s_handle: CK_SESSION_HANDLE,
    pdata: *mut CK_BYTE,
    data_len: CK_ULONG,
) -> CK_RV {
    log_debug!(
        "C_VerifySignature: s_handle={} pdata={:?} data_len={}",
        s_handle,
        pdata,
        data_len
    );
    let rv = match verify_signature(s_handle, pdata, data_len) {
        Ok(()) => CKR_OK,
        Err(e) => e.rv(),
    };
    log_debug!("C_VerifySignature: ret={}", rv);
    rv
}

#[inline(always)]
fn verify_signature_update(
    s_handle: CK_SESSION_HANDLE,
    part: *mut CK_BYTE,
    part_len: CK_ULONG,
) -> Result<()> {
    let rstate = STATE.rlock()?;
    let session = &mut *(rstate.get_session_mut(s_handle)?);
    let mut operation =
        session.operations.get_operation::<dyn VerifySignature>()?;
    if part.is_null() {
        return Err(CKR_ARGUMENTS_BAD)?;
    }
    if operation.requires_login() {
        if !session.login_ok {
            return Err(CKR_USER_NOT_LOGGED_IN)?;
        }
        operation.login_fulfilled();
        session.login_ok = false;
    }
    let plen = usize::try_from(part_len).map_err(|_| CKR_ARGUMENTS_BAD)?;
    let data: &[u8] = bytes_to_slice(part, plen);
    operation.verify_update(data)?;
    operation.ok()
}

/// Implementation of C_VerifySignatureUpdate
///
/// Version 3.2 Specification: [Link TBD]

pub extern "C" fn fn_verify_signature_update(
    s_handle: CK_SESSION_HANDLE,
    part: *mut CK_BYTE,
    part_len: CK_ULONG,
) -> CK_RV {
    log_debug!(
        "C_VerifySignatureUpdate: s_handle={} part={:?} part_len={}",
        s_handle,
        part,
        part_len
    );
    let rv = match verify_signature_update(s_handle, part, part_len) {
        Ok(()) => CKR_OK,
        Err(e) => e.rv(),
    };
    log_debug!("C_VerifySignatureUpdate: ret={}", rv);
    rv
}

#[inline(always)]
fn verify_signature_final(s_handle: CK_SESSION_HANDLE) -> Result<()> {
    let rstate = STATE.rlock()?;
    let session = &mut *(rstate.get_session_mut(s_handle)?);
    let slot_id = session.get_slot_id();
    let mut operation =
        session.operations.get_operation::<dyn VerifySignature>()?;
    if operation.requires_login() {
        if !session.login_ok {
            return Err(CKR_USER_NOT_LOGGED_IN)?;
        }
        operation.login_fulfilled();
        session.login_ok = false;
    }
    operation.verify_final()?;

    if let Some((handle, attrs)) = operation.updates_object() {
        let mut token = rstate.get_token_from_slot_mut(slot_id)?;
        if token.set_object_attrs(handle, attrs.as_slice()).is_err() {
            return Err(CKR_GENERAL_ERROR)?;
        }
    }

    operation.done();

    #[cfg(feature = "fips")]
    {
        let approved = operation.fips_approved();
        drop(operation);
        finalize_fips_approval(session, approved);
    }

    Ok(())
}

/// Implementation of C_VerifySignatureFinal
///
/// Version 3.2 Specification: [Link TBD]

pub extern "C" fn fn_verify_signature_final(
    s_handle: CK_SESSION_HANDLE,
) -> CK_RV {
    log_debug!("C_VerifySignatureFinal: s_handle={}", s_handle);
    let rv = match verify_signature_final(s_handle) {
        Ok(()) => CKR_OK,
        Err(e) => e.rv(),
    };
    log_debug!("C_VerifySignatureFinal: ret={}", rv);
    rv
}
