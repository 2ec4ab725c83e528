//! Each kind of HTTP answer, and what is said of it.

use super::*;
use hyper::header::HeaderValue;

fn answer(status: u16, header: &[(&'static str, &'static str)], body: &'static str) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in header {
        map.append(*name, HeaderValue::from_static(value));
    }
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        header: map,
        body: Bytes::from_static(body.as_bytes()),
    }
}

#[test]
fn a_reply_is_status_200_with_the_media_type_of_rfc_3161() {
    for media_type in ["application/timestamp-reply", "Application/Timestamp-Reply; charset=binary"] {
        let reply = answer(200, &[("content-type", media_type)], "DER").into_reply().unwrap();
        assert_eq!(reply, Bytes::from_static(b"DER"));
    }
}

#[test]
fn another_media_type_is_named() {
    let error = answer(200, &[("content-type", "text/html")], "<html>").into_reply().unwrap_err();
    assert!(error.to_string().contains("answered with text/html"), "{error}");
    let error = answer(200, &[], "").into_reply().unwrap_err();
    assert!(error.to_string().contains("no media type"), "{error}");
}

#[test]
fn a_media_type_in_a_parameter_or_given_twice_is_not_one() {
    let hidden = [("content-type", "multipart/form-data; boundary=application/timestamp-reply")];
    assert!(answer(200, &hidden, "").into_reply().is_err());
    let twice = [("content-type", "application/timestamp-reply"), ("content-type", "text/plain")];
    assert!(answer(200, &twice, "").into_reply().is_err());
}

#[test]
fn a_status_is_shown_with_the_problem_document() {
    let problem = [("content-type", "application/problem+json")];
    let error =
        answer(413, &problem, r#"{"title":"Too large","detail":"at most 16384 octets"}"#).into_reply();
    assert_eq!(
        error.unwrap_err().to_string(),
        "the server answered 413 Payload Too Large: at most 16384 octets"
    );
    let error = answer(413, &problem, r#"{"title":"Too large"}"#).into_reply().unwrap_err();
    assert!(error.to_string().ends_with(": Too large"), "{error}");
    let error = answer(502, &[("content-type", "text/html")], "<h1>proxy</h1>").into_reply().unwrap_err();
    assert_eq!(error.to_string(), "the server answered 502 Bad Gateway");
}

#[test]
fn a_redirect_says_where_to() {
    let error = answer(301, &[("location", "https://tsa.example/new")], "").into_reply().unwrap_err();
    assert!(error.to_string().ends_with("it points to https://tsa.example/new"), "{error}");
}

#[test]
fn retry_after_is_seconds_or_a_date_against_the_servers_own() {
    let wait = |header: &[(&'static str, &'static str)]| match answer(503, header, "").into_reply() {
        Err(NoReply::Status { retry_after, .. }) => retry_after,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(
        wait(&[date, ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")]),
        Some(Duration::from_secs(30))
    );
    assert_eq!(wait(&[date, ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), Some(Duration::ZERO));
    assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")]), None);
    assert_eq!(wait(&[("retry-after", "soon")]), None);
}

#[test]
fn a_servers_text_cannot_steer_a_terminal_or_fill_it() {
    assert_eq!(ServerText::new("a\u{1b}[2Jb\u{202e}c").to_string(), r"a\u{1b}[2Jb\u{202e}c");
    let long = ServerText::new(&"x".repeat(1_000)).to_string();
    assert_eq!(long.chars().count(), TEXT_LIMIT + 1);
}
