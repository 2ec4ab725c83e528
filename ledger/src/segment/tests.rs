//! A segment's beginning, and months.

use super::*;

fn start() -> SegmentStart {
    SegmentStart {
        number: 7,
        frontier: Frontier::new(5, vec![Hash::of(b"a"), Hash::of(b"b")]).unwrap(),
        previous: Some(SealedSegment { length: 1234, times: (5, 6) }),
        clocks: vec![(2, vec![1, 2, 0xFF]), (4, vec![])],
    }
}

#[test]
fn a_beginning_is_written_and_read_in_one_form() {
    for start in [start(), SegmentStart::first(), SegmentStart { clocks: Vec::new(), ..start() }] {
        let text = start.to_text();
        assert_eq!(SegmentStart::parse(text.as_bytes()), Some(start));
        for place in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[place] ^= 1;
            assert_eq!(SegmentStart::parse(&altered), None);
            assert_eq!(SegmentStart::parse(&text.as_bytes()[..place]), None);
        }
        assert_eq!(SegmentStart::parse(format!("{text}\n").as_bytes()), None);
    }
    assert_eq!(segment_number("00000007"), Some(7));
    assert_eq!([segment_number("7"), segment_number("00000000"), segment_number("+0000007")], [None; 3]);
}

#[test]
fn months_are_those_of_the_gregorian_calendar() {
    let of = |days: u64| month(days * 86_400_000_000);
    let number = |year: u64, month: u64| year * 12 + month - 1;
    assert_eq!(of(0), number(1970, 1));
    assert_eq!((of(30), of(31)), (number(1970, 1), number(1970, 2)));
    // 2000-02-29 and 2000-03-01; 2026-11-30 and 2026-12-01; 2100-02-28 and 2100-03-01.
    assert_eq!((of(11_016), of(11_017)), (number(2000, 2), number(2000, 3)));
    assert_eq!((of(20_787), of(20_788)), (number(2026, 11), number(2026, 12)));
    assert_eq!((of(47_540), of(47_541)), (number(2100, 2), number(2100, 3)));
    assert_eq!(month(86_400_000_000 * 31 - 1), number(1970, 1));
    month(u64::MAX);
}
