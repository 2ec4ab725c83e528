//! The functions that are wrapped, and what happens before and after each.
//!
//! A hook is generic over the function's arguments: their types come from the function list of `cryptoki-sys`, so no
//! signature is written down here, only which function has how many arguments and what its first one names. Six have
//! more to do than be passed on, and are in [`special`].
#![expect(unsafe_code, reason = "C functions that call C functions")]
#![allow(non_camel_case_types, reason = "PKCS#11 v3.2 fixes these names")]

mod special;

use std::time::{Duration, Instant};

use cryptoki_sys::{CK_FUNCTION_LIST, CK_RV, CK_ULONG, CK_VERSION, CKR_FUNCTION_NOT_SUPPORTED};

use crate::rules::{self, Action, Form, Subject};
use crate::wrapped;

pub(crate) use special::close_really;

/// A function of the real module, of whatever type.
pub(crate) type AnyFunction = unsafe extern "C" fn();

/// What a first argument may be; only a session's or a slot's number is looked at.
trait First: Copy {
    fn number(self) -> u64;
}

impl First for CK_ULONG {
    fn number(self) -> u64 {
        self
    }
}

impl<T> First for *mut T {
    fn number(self) -> u64 {
        0
    }
}

macro_rules! functions {
    ($($kind:ident $name:ident $hook:ident $arguments:tt;)*) => {
        /// Functions that rules can name.
        pub(crate) const NAMES: &[&str] = &[
            $(stringify!($name),)* "C_GetSlotList", "C_GetTokenInfo", "C_OpenSession", "C_CloseSession", "C_Sign", "C_Finalize",
        ];

        #[derive(Clone, Copy)]
        enum Id { $($name),* }

        const fn subject_of(id: usize, number: u64) -> Subject {
            $(if id == Id::$name as usize { return functions!(@subject $kind number); })*
            Subject::Module
        }

        /// The real functions, by their place in [`NAMES`].
        pub(crate) fn pointers(real: &CK_FUNCTION_LIST) -> Vec<Option<AnyFunction>> {
            // Only ever called again as what they were, by the hook of the same function.
            vec![$(real.$name.map(|function| unsafe { std::mem::transmute::<_, AnyFunction>(function) })),*]
        }

        /// The real functions with ours in front of them.
        pub(crate) fn hooked(real: &CK_FUNCTION_LIST) -> CK_FUNCTION_LIST {
            let mut list = *real;
            list.version = CK_VERSION { major: 2, minor: 40 };
            $(functions!(@set list $name $hook $arguments);)*
            special::hook(&mut list);
            list
        }
    };
    (@subject Module $number:ident) => { Subject::Module };
    (@subject Slot $number:ident) => { Subject::Slot($number) };
    (@subject Session $number:ident) => { Subject::Session($number) };
    (@set $list:ident $name:ident $hook:ident ($($any:tt)*)) => {
        $list.$name = Some($hook::<{ Id::$name as usize }, $($any),*>)
    };
}

functions! {
    Module C_Initialize hook1 (_);
    Module C_GetInfo hook1 (_);
    Slot C_GetSlotInfo hook2 (_ _);
    Slot C_GetMechanismList hook3 (_ _ _);
    Slot C_GetMechanismInfo hook3 (_ _ _);
    Slot C_InitToken hook4 (_ _ _ _);
    Session C_InitPIN hook3 (_ _ _);
    Session C_SetPIN hook5 (_ _ _ _ _);
    Session C_GetSessionInfo hook2 (_ _);
    Session C_Login hook4 (_ _ _ _);
    Session C_Logout hook1 (_);
    Session C_CreateObject hook4 (_ _ _ _);
    Session C_CopyObject hook5 (_ _ _ _ _);
    Session C_DestroyObject hook2 (_ _);
    Session C_GetAttributeValue hook4 (_ _ _ _);
    Session C_SetAttributeValue hook4 (_ _ _ _);
    Session C_FindObjectsInit hook3 (_ _ _);
    Session C_FindObjects hook4 (_ _ _ _);
    Session C_FindObjectsFinal hook1 (_);
    Session C_SignInit hook3 (_ _ _);
    Session C_GenerateKeyPair hook8 (_ _ _ _ _ _ _ _);
    Session C_GenerateRandom hook3 (_ _ _);
}

macro_rules! hooks {
    ($($hook:ident ($a:ident: $A:ident $(, $b:ident: $B:ident)*);)*) => {
        $(unsafe extern "C" fn $hook<const ID: usize, $A: First $(, $B)*>($a: $A $(, $b: $B)*) -> CK_RV {
            let Some(Some(real)) = wrapped().and_then(|wrapped| wrapped.pointers.get(ID)) else {
                return CKR_FUNCTION_NOT_SUPPORTED;
            };
            // The hook stands in the list where the real function has this very type.
            let real: unsafe extern "C" fn($A $(, $B)*) -> CK_RV = unsafe { std::mem::transmute(*real) };
            let name = NAMES.get(ID).copied().unwrap_or_default();
            // The caller's arguments, as the caller gave them.
            around(name, subject_of(ID, $a.number()), || unsafe { real($a $(, $b)*) })
        })*
    };
}

hooks! {
    hook1(a: A);
    hook2(a: A, b: B);
    hook3(a: A, b: B, c: C);
    hook4(a: A, b: B, c: C, d: D);
    hook5(a: A, b: B, c: C, d: D, e: E);
    hook8(a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H);
}

/// A call with whatever a rule has for it.
fn around(name: &'static str, subject: Subject, call: impl FnOnce() -> CK_RV) -> CK_RV {
    as_planned(name, rules::at_call(|state| state.plan(name, subject)), call)
}

/// What a rule has for a call of this function.
fn as_planned(name: &str, planned: Option<Action>, call: impl FnOnce() -> CK_RV) -> CK_RV {
    match planned {
        // A search that is not ended would be active for ever.
        Some(Action::Return(code)) if name == "C_FindObjectsFinal" => {
            call();
            code
        }
        Some(Action::Return(code)) => code,
        Some(Action::Takes(least)) => taking(least, call),
        Some(Action::Stall | Action::StallThenSignature(_)) => {
            stall();
            call()
        }
        Some(
            Action::Signature(Form::Short | Form::Long | Form::Empty | Form::Zero | Form::Garbage)
            | Action::Clock(_),
        )
        | None => call(),
    }
}

fn taking(least: Duration, call: impl FnOnce() -> CK_RV) -> CK_RV {
    let began = Instant::now();
    wake_on_time();
    let returned = call();
    std::thread::sleep(least.saturating_sub(began.elapsed()));
    returned
}

/// The kernel lets a thread sleep 50 µs longer than it asked for, to spare itself timers; an HSM has no such habit.
fn wake_on_time() {
    // A number of nanoseconds for the calling thread; what it returns says whether the kernel knows the option.
    #[expect(
        unsafe_code,
        reason = "prctl takes what follows its option as it is: here one number, and no pointer"
    )]
    let _ = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}

/// Hangs until the rules are cleared.
fn stall() {
    let releases = rules::with(|state| {
        state.stalled += 1;
        state.releases
    });
    rules::wait_until(|state| state.releases != releases);
    rules::with(|state| state.stalled -= 1);
}
