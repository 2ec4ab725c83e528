//! The functions that do more than pass a call on: slots that disappear, tokens that have a clock, sessions that are
//! counted, signatures that are altered.

use cryptoki_sys::{
    CK_BBOOL, CK_FLAGS, CK_FUNCTION_LIST, CK_NOTIFY, CK_RV, CK_SESSION_HANDLE, CK_SLOT_ID, CK_TOKEN_INFO,
    CK_ULONG, CKF_CLOCK_ON_TOKEN, CKR_ARGUMENTS_BAD, CKR_BUFFER_TOO_SMALL, CKR_FUNCTION_NOT_SUPPORTED,
    CKR_OK,
};

use super::{around, as_planned, stall, taking};
use crate::rules::{self, Action, Form, Subject};
use crate::wrapped;

/// No signature is longer: SLH-DSA's have 49 856 octets.
const LONGEST_SIGNATURE: usize = 1 << 16;

pub(super) fn hook(list: &mut CK_FUNCTION_LIST) {
    list.C_GetSlotList = Some(slot_list);
    list.C_GetTokenInfo = Some(token_info);
    list.C_OpenSession = Some(open_session);
    list.C_CloseSession = Some(close_session);
    list.C_Sign = Some(sign);
    list.C_Finalize = Some(finalize);
}

fn real() -> Option<&'static CK_FUNCTION_LIST> {
    wrapped().map(|wrapped| &wrapped.real.list)
}

/// Closes sessions in the real module, of which the caller is to learn nothing.
pub(crate) fn close_really(sessions: &[u64]) {
    // Asked for by a test before the first C_GetFunctionList there are none.
    let Some(close) = (!sessions.is_empty()).then(real).flatten().and_then(|real| real.C_CloseSession) else {
        return;
    };
    for session in sessions {
        // A number is all that it takes.
        unsafe { close(*session) };
    }
}

/// Slots whose tokens were not taken out, by the protocol of two calls (PKCS#11 v3.2 §5.5.1).
unsafe extern "C" fn slot_list(
    token_present: CK_BBOOL,
    slots: *mut CK_SLOT_ID,
    count: *mut CK_ULONG,
) -> CK_RV {
    let Some(get) = real().and_then(|real| real.C_GetSlotList) else { return CKR_FUNCTION_NOT_SUPPORTED };
    if count.is_null() {
        return CKR_ARGUMENTS_BAD;
    }
    around("C_GetSlotList", Subject::Module, || {
        let mut found: [CK_SLOT_ID; 64] = [0; 64];
        let mut number: CK_ULONG = 64;
        // Room for as many as it is told.
        let returned = unsafe { get(token_present, found.as_mut_ptr(), &raw mut number) };
        if returned != CKR_OK {
            return returned;
        }
        let present: Vec<CK_SLOT_ID> = rules::with(|state| {
            let found = found.iter().take(usize::try_from(number).unwrap_or(0)).copied();
            found.filter(|slot| token_present == 0 || !state.removed.contains(slot)).collect()
        });
        // `count` was looked at above; the caller says how many slots it has room for.
        let room = unsafe { *count };
        unsafe { *count = CK_ULONG::try_from(present.len()).unwrap_or(0) };
        if slots.is_null() {
            return CKR_OK;
        }
        if usize::try_from(room).unwrap_or(0) < present.len() {
            return CKR_BUFFER_TOO_SMALL;
        }
        unsafe { std::ptr::copy_nonoverlapping(present.as_ptr(), slots, present.len()) };
        CKR_OK
    })
}

unsafe extern "C" fn token_info(slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO) -> CK_RV {
    const NAME: &str = "C_GetTokenInfo";
    let Some(get) = real().and_then(|real| real.C_GetTokenInfo) else { return CKR_FUNCTION_NOT_SUPPORTED };
    let planned = rules::at_call(|state| state.plan(NAME, Subject::Slot(slot)));
    // The caller's arguments, as the caller gave them.
    let returned = as_planned(NAME, planned, || unsafe { get(slot, info) });
    // After success it has been written.
    if returned == CKR_OK
        && let Some(Action::Clock(shown)) = planned
        && let Some(info) = unsafe { info.as_mut() }
    {
        info.flags |= CKF_CLOCK_ON_TOKEN;
        info.utcTime = shown;
    }
    returned
}

unsafe extern "C" fn open_session(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    application: *mut std::ffi::c_void,
    notify: CK_NOTIFY,
    session: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    let Some(open) = real().and_then(|real| real.C_OpenSession) else { return CKR_FUNCTION_NOT_SUPPORTED };
    around("C_OpenSession", Subject::Slot(slot), || {
        // The caller's arguments, as the caller gave them.
        let returned = unsafe { open(slot, flags, application, notify, session) };
        // After success it has been written.
        if returned == CKR_OK
            && let Some(session) = unsafe { session.as_ref() }
        {
            rules::with(|state| state.opened(*session, slot));
        }
        returned
    })
}

unsafe extern "C" fn close_session(session: CK_SESSION_HANDLE) -> CK_RV {
    let Some(close) = real().and_then(|real| real.C_CloseSession) else { return CKR_FUNCTION_NOT_SUPPORTED };
    around("C_CloseSession", Subject::Session(session), || {
        rules::with(|state| state.closed(session));
        unsafe { close(session) }
    })
}

unsafe extern "C" fn finalize(reserved: *mut std::ffi::c_void) -> CK_RV {
    let Some(finalize) = real().and_then(|real| real.C_Finalize) else { return CKR_FUNCTION_NOT_SUPPORTED };
    around("C_Finalize", Subject::Module, || {
        rules::with(|state| state.closed_all_of(None));
        unsafe { finalize(reserved) }
    })
}

/// Rules are for the call that signs; the one that asks for the length is passed on.
unsafe extern "C" fn sign(
    session: CK_SESSION_HANDLE,
    data: *mut u8,
    data_length: CK_ULONG,
    signature: *mut u8,
    length: *mut CK_ULONG,
) -> CK_RV {
    let Some(sign) = real().and_then(|real| real.C_Sign) else { return CKR_FUNCTION_NOT_SUPPORTED };
    if length.is_null() {
        return CKR_ARGUMENTS_BAD;
    }
    // The caller's arguments, as the caller gave them.
    let plain = || unsafe { sign(session, data, data_length, signature, length) };
    if signature.is_null() {
        let returned = plain();
        if returned == CKR_OK && rules::at_call(|state| state.is_long_next(session)) {
            unsafe { *length += 1 };
        }
        return returned;
    }
    // Into a buffer of ours, where the operation is to end and the caller is to see something else.
    let aside = || {
        let mut buffer = vec![0_u8; LONGEST_SIGNATURE];
        let mut length = CK_ULONG::try_from(buffer.len()).unwrap_or(0);
        let returned = unsafe { sign(session, data, data_length, buffer.as_mut_ptr(), &raw mut length) };
        buffer.truncate(usize::try_from(length).unwrap_or(0));
        (returned, buffer)
    };
    // Not what the real module has signed.
    let in_form = |form| {
        let (returned, real) = aside();
        if returned != CKR_OK {
            return returned;
        }
        let altered = altered(real, form);
        let room = usize::try_from(unsafe { *length }).unwrap_or(0);
        if altered.len() > room {
            return CKR_BUFFER_TOO_SMALL;
        }
        // There is room for so much, and nothing else of ours lies there.
        unsafe {
            std::ptr::copy_nonoverlapping(altered.as_ptr(), signature, altered.len());
            *length = CK_ULONG::try_from(altered.len()).unwrap_or(0);
        }
        CKR_OK
    };
    match rules::at_call(|state| state.plan("C_Sign", Subject::Session(session))) {
        None | Some(Action::Clock(_)) => plain(),
        Some(Action::Return(code)) => {
            aside();
            code
        }
        Some(Action::Takes(least)) => taking(least, plain),
        Some(Action::Stall) => {
            stall();
            plain()
        }
        Some(Action::Signature(form)) => in_form(form),
        Some(Action::StallThenSignature(form)) => {
            stall();
            in_form(form)
        }
    }
}

fn altered(mut signature: Vec<u8>, form: Form) -> Vec<u8> {
    match form {
        Form::Short => drop(signature.pop()),
        Form::Long => signature.push(0x5A),
        Form::Empty => signature.clear(),
        Form::Zero => signature.fill(0),
        Form::Garbage => {
            if let Some(last) = signature.last_mut() {
                *last ^= 1;
            }
        }
    }
    signature
}
