//! Frames, and what follows them.

use std::path::Path;

use super::*;
use crate::storage::Storage as _;
use crate::storage::memory::MemoryStorage;

fn frame(entry: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    write_frame(entry, &mut frame);
    frame
}

#[test]
fn a_frame_is_length_entry_and_crc_32_of_both() {
    // CRC-32 of "123456789" is cbf43926 (the check value of the algorithm); of our octets it was computed with zlib.
    assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926);
    let frame = frame(b"123456789");
    assert_eq!(frame[..11], *b"\x00\x09123456789");
    assert_eq!(frame[11..], crc32fast::hash(b"\x00\x09123456789").to_be_bytes());
    assert_eq!(read_frame(&frame), Some(&b"123456789"[..]));
}

#[test]
fn no_part_and_no_altered_frame_is_one() {
    let whole = frame(&[7; 100]);
    for end in 0..whole.len() {
        assert_eq!(read_frame(&whole[..end]), None);
    }
    for bit in 0..whole.len() * 8 {
        let mut altered = whole.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read_frame(&altered), None, "bit {bit}");
    }
    assert_eq!(read_frame(&[0; 64]), None);
    assert_eq!(read_frame(&frame(&vec![1; MAXIMUM_ENTRY_BYTES + 1])), None);
}

#[test]
fn frames_are_read_over_the_ends_of_the_buffer() {
    let storage = MemoryStorage::default();
    let file = storage.open_or_create(Path::new("entries")).unwrap();
    let entries: Vec<Vec<u8>> = (1..2000_usize).map(|number| vec![9; number % 300 + 1]).collect();
    let frames: Vec<u8> = entries.iter().flat_map(|entry| frame(entry)).collect();
    assert!(frames.len() > 2 * BUFFER_BYTES);
    file.write_at(&[&frames[..], &[0; 100]].concat(), 0).unwrap();
    let mut reader = FrameReader::new(file, 0);
    for entry in &entries {
        assert_eq!(reader.next_entry().unwrap(), Some(&entry[..]));
    }
    assert_eq!(reader.next_entry().unwrap(), None);
    assert_eq!(reader.offset(), u64::try_from(frames.len()).unwrap());
}

#[test]
fn remains_of_one_batch_are_torn_and_more_is_damage() {
    let reach = MAXIMUM_BATCH_BYTES;
    let remains_with = |place: Option<usize>, length: usize| {
        let storage = MemoryStorage::default();
        let file = storage.open_or_create(Path::new("entries")).unwrap();
        let mut content = vec![0; length];
        if let Some(place) = place {
            content[place] = 1;
        }
        file.write_at(&content, 0).unwrap();
        remains(file.as_ref(), 10).unwrap()
    };
    assert_eq!(remains_with(None, 10), Remains::None);
    assert_eq!(remains_with(None, reach * 3), Remains::None);
    assert_eq!(remains_with(Some(9), 11), Remains::None);
    assert_eq!(remains_with(Some(10), 11), Remains::Torn { end: 11 });
    let last = u64::try_from(reach + 9).unwrap();
    assert_eq!(remains_with(Some(reach + 9), reach * 3), Remains::Torn { end: last + 1 });
    assert_eq!(remains_with(Some(reach + 10), reach * 3), Remains::Damage { offset: last + 1 });
}
